import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../clock/system-clock.ts';
import { defaultCacheDir, defaultLibvirtUri } from '../config/paths.ts';
import { type TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { chooseAccelerator } from '../image/accelerator.ts';
import { findImage, probeInitrdPath } from '../image/image-store.ts';
import { connectLibvirtHypervisor } from '../libvirt/hypervisor.ts';
import { checkDiskSpace } from '../setup/disk.ts';
import type { Check } from '../setup/requirements.ts';
import { missingArtifacts } from './artifacts.ts';

/** What `doctor` looks at beside the system's programs: room on the disk, the libvirt daemon, image and accelerator. */
export async function moreChecks(): Promise<Check[]> {
  const cacheDir = defaultCacheDir();
  const wanted = await wantedImage(cacheDir);
  const image = wanted instanceof Error ? undefined : await findImage(cacheDir, wanted);
  return [checkDiskSpace(cacheDir), ...(await libvirtChecks(cacheDir, image)), imageCheck(wanted, image)];
}

/** Returns the id of the image that this version starts VMs from, or why it is not known. */
async function wantedImage(cacheDir: string): Promise<string | TidepoolError> {
  try {
    return (await missingArtifacts(cacheDir, systemClock)).imageId;
  } catch (error) {
    return toTidepoolError(error);
  }
}

function imageCheck(wanted: string | TidepoolError, image: Image | undefined): Check {
  const check = { name: 'golden image', purpose: 'what every VM is cloned from', ok: true, fix: '', packages: [] };
  if (wanted instanceof Error) return { ...check, detail: `not known yet: ${wanted.message}` };
  return { ...check, detail: image === undefined ? `${wanted} is not built yet; the next start builds it` : wanted };
}

async function libvirtChecks(cacheDir: string, image: Image | undefined): Promise<Check[]> {
  const uri = defaultLibvirtUri();
  const daemon = { name: 'libvirt connection', purpose: 'controls the virtual machines', packages: [] };
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-doctor-'));
  try {
    const connecting = {
      uri,
      machineDir: folder,
      installationId: 'doctor',
      clock: systemClock,
      log: () => undefined,
      env: process.env,
    };
    const hypervisor = await connectLibvirtHypervisor(connecting);
    try {
      const found: Check = { ...daemon, ok: true, detail: `answers at ${uri}`, fix: '' };
      return [found, await acceleratorCheck(cacheDir, image, hypervisor)];
    } finally {
      await hypervisor.close();
    }
  } catch (error) {
    return [{ ...daemon, ok: false, detail: toTidepoolError(error).message, fix: 'npm start' }];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function acceleratorCheck(
  cacheDir: string,
  image: Image | undefined,
  hypervisor: Awaited<ReturnType<typeof connectLibvirtHypervisor>>,
): Promise<Check> {
  const check = { name: 'accelerator', purpose: 'makes guests fast', ok: true, fix: '', packages: [] };
  if (image === undefined) return { ...check, detail: 'is probed when the golden image is built' };
  const { accelerator, reason } = await chooseAccelerator({
    hypervisor,
    setting: 'auto',
    cacheDir,
    kernelPath: image.kernelPath,
    probeInitrdPath: probeInitrdPath(image),
    clock: systemClock,
  });
  return { ...check, detail: `${accelerator}: ${reason}` };
}
