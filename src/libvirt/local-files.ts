import { access, constants, open } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import type { MachineSpec } from '../domain/hypervisor.ts';

const GiB = 1024 ** 3;

/** For a hypervisor on this machine: the files are there, and the image fits into the flavor's disk. */
export async function checkLocalFiles(spec: MachineSpec): Promise<void> {
  const { boot, imagePath, sharedDisks } = spec;
  for (const file of [boot.kernelPath, boot.initrdPath, ...sharedDisks.map(({ path }) => path)])
    await mustBeReadable(file);
  const imageBytes = await qcow2Size(imagePath);
  const diskBytes = spec.flavor.diskGiB * GiB;
  if (imageBytes > diskBytes) {
    throw bad(
      `the image ${imagePath} needs a disk of ${Math.ceil(imageBytes / GiB)} GiB; the flavor ${spec.flavor.name} has ${spec.flavor.diskGiB}`,
    );
  }
}

async function mustBeReadable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK);
  } catch (cause) {
    throw new TidepoolError('invalid', `${file} is missing or cannot be read`, { cause });
  }
}

/** The size of the disk that a qcow2 holds, from its header (QEMU: docs/interop/qcow2.txt). */
async function qcow2Size(file: string): Promise<number> {
  await mustBeReadable(file);
  const header = Buffer.alloc(32);
  const handle = await open(file);
  try {
    await handle.read(header, 0, header.length, 0);
  } finally {
    await handle.close();
  }
  if (header.toString('latin1', 0, 4) !== 'QFI\xfb') throw bad(`${file} is not a qcow2 image`);
  return Number(header.readBigUInt64BE(24));
}

function bad(message: string): TidepoolError {
  return new TidepoolError('invalid', message);
}
