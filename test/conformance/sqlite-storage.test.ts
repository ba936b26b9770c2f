import { openSqliteStore } from '../../src/sqlite/store.ts';
import { storageStoreConformance } from './storage-store.ts';

storageStoreConformance('sqlite', () => openSqliteStore(':memory:'));
