import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { agentSecretNames } from '../protocol/agent.ts';

const keyBytes = 32;

export interface AgentSecrets {
  readonly key: Buffer;
  readonly keyId: string;
  readonly hostname: string;
}

/** What the hypervisor handed in through fw_cfg. Errors: `invalid` (missing, or not as it should be). */
export async function readSecrets(folder: string): Promise<AgentSecrets> {
  const read = async (name: string): Promise<Buffer> => {
    try {
      return await readFile(join(folder, name, 'raw'));
    } catch (cause) {
      throw new TidepoolError('invalid', `the hypervisor gave no fw_cfg value opt/tidepool/${name}`, { cause });
    }
  };
  const key = await read(agentSecretNames.key);
  if (key.length !== keyBytes)
    throw new TidepoolError('invalid', `the agent key has ${key.length} bytes, not ${keyBytes}`);
  const keyId = (await read(agentSecretNames.keyId)).toString().trim();
  const hostname = (await read(agentSecretNames.hostname)).toString().trim();
  return { key, keyId, hostname };
}
