/** A submission that is being written; kept in this browser until it is sent, also over a reload. */
export interface Draft {
  readonly name: string;
  readonly script: string;
  readonly args: string;
  readonly runtime: string;
  readonly cpus: string;
  readonly memoryMiB: string;
  readonly timeoutMinutes: string;
  readonly data: File | null;
  /** The same for every try to send it, so that it becomes one job. */
  readonly key: string;
  /** It was being sent when the page went away. */
  readonly isSending: boolean;
}

/** A new one with the usual limits. */
export function emptyDraft(): Draft {
  return {
    ...{ name: 'main.py', script: '', args: '', runtime: 'python', cpus: '1', memoryMiB: '512', timeoutMinutes: '10' },
    ...{ data: null, key: crypto.randomUUID(), isSending: false },
  };
}

const storeName = 'drafts';

/** The draft of this user; the browser's own database keeps the file too. Undefined when there is none. */
export async function loadDraft(user: string): Promise<Draft | undefined> {
  return run('readonly', (store) => store.get(user)).catch(() => undefined);
}

/** Keeps it. A browser that keeps nothing (a private window) only loses it on reload. */
export async function saveDraft(user: string, draft: Draft | undefined): Promise<void> {
  const saving =
    draft === undefined
      ? run('readwrite', (store) => store.delete(user))
      : run('readwrite', (store) => store.put(draft, user));
  await saving.catch(() => undefined);
}

async function run<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open('tidepool', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(storeName);
  const database = await settled(opening);
  try {
    return await settled(ask(database.transaction(storeName, mode).objectStore(storeName)));
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
