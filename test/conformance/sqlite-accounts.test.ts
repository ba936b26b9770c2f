import { openSqliteStore } from '../../src/sqlite/store.ts';
import { accountStoreConformance } from './account-store.ts';

accountStoreConformance('sqlite', () => openSqliteStore(':memory:'));
