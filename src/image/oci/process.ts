import { TidepoolError } from '../../domain/errors.ts';
import type { ImageProcess } from '../../domain/image.ts';
import type { ImageConfig } from './documents.ts';
import type { LayerTree } from './layer-tree.ts';
import { type Layer, readText } from './layers.ts';

const maxAccountsBytes = 1024 * 1024;
const maxId = 65_534;
/** A container has something of its own there. */
const kernelFolders = ['/dev', '/proc', '/sys'];

/** What an image says of how it is run; its working folder is made where there is none. Error: `invalid`. */
export async function imageProcess(
  { config }: ImageConfig,
  tree: LayerTree,
  layers: readonly Layer[],
): Promise<ImageProcess> {
  const workingFolder = tree.folderPath(config?.WorkingDir ?? '/');
  if (kernelFolders.some((folder) => `${workingFolder}/`.startsWith(`${folder}/`))) {
    throw invalid(`its working folder cannot be ${workingFolder}`);
  }
  const table = async (path: string): Promise<string[][]> => {
    const node = tree.find(path);
    if (node?.kind !== 'file') return [];
    const text = await readText(layers, node.content, maxAccountsBytes);
    return text.split('\n').map((line) => line.split(':'));
  };
  return {
    ...(await userOf(config?.User ?? '', table)),
    environment: environmentOf(config?.Env ?? []),
    workingFolder,
    entrypoint: checked(config?.Entrypoint ?? []),
    command: checked(config?.Cmd ?? []),
  };
}

/** `user`, `uid`, `user:group`, `uid:gid` and their mixtures, names by the image's own /etc/passwd and /etc/group. */
async function userOf(
  text: string,
  table: (path: string) => Promise<string[][]>,
): Promise<{ uid: number; gid: number }> {
  const [user = '', group] = text.split(':');
  if (user === '' && group === undefined) return { uid: 0, gid: 0 };
  const accounts = await table('etc/passwd');
  const account = accounts.find(([name, , uid]) => name === user || uid === user);
  const uid = idOf(/^\d+$/.test(user) ? user : user === '' ? '0' : account?.[2], `user ${user}`);
  if (group === undefined) return { uid, gid: idOf(account?.[3] ?? '0', `group of ${user}`) };
  const isNumber = /^\d+$/.test(group);
  const gid = isNumber ? group : (await table('etc/group')).find(([name]) => name === group)?.[2];
  return { uid, gid: idOf(gid, `group ${group}`) };
}

function idOf(text: string | undefined, what: string): number {
  const id = Number(text);
  if (text === undefined || !/^\d+$/.test(text)) throw invalid(`it names no ${what}`);
  if (id > maxId) throw invalid(`the id ${text} of its ${what} is above ${maxId}`);
  return id;
}

function environmentOf(pairs: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of checked(pairs)) {
    const equals = pair.indexOf('=');
    // What no shell could set either is left out.
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(pair.slice(0, equals)))
      environment[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return environment;
}

function checked(texts: readonly string[]): readonly string[] {
  if (texts.some((text) => text.includes('\0'))) throw invalid('a text of its configuration has a NUL');
  return texts;
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the image cannot be used: ${problem}`);
}
