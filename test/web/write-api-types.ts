import { writeFile } from 'node:fs/promises';
import { apiTypes, typesPath } from './api-types.ts';

/** `npm run api-types`, after the API has changed. */
await writeFile(typesPath, await apiTypes());
