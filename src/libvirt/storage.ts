import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isLibvirtError, libvirtCode } from './errors.ts';
import type { LibvirtLink } from './link.ts';
import { procedures } from './procedures.ts';
import type { StoragePoolRef } from './types.ts';
import { element } from './xml.ts';

/** VIR_STORAGE_POOL_CREATE_WITH_BUILD: makes the folder if it is not there. */
const withBuild = 1;

/** Overlay disks in one folder of the hypervisor's host, made and deleted by its storage driver. */
export class OverlayFolder {
  readonly #link: LibvirtLink;
  readonly #folder: string;
  #used = false;

  constructor(link: LibvirtLink, folder: string) {
    this.#link = link;
    this.#folder = folder;
  }

  pathOf(machineName: string): string {
    return join(this.#folder, fileName(machineName));
  }

  /** An empty qcow2 of that size on top of the image; replaces one that a former life left behind. */
  async create(machineName: string, imagePath: string, sizeBytes: number): Promise<void> {
    const pool = await this.#pool();
    const { xml } = element(
      'volume',
      {},
      element('name', {}, fileName(machineName)),
      element('capacity', { unit: 'bytes' }, String(sizeBytes)),
      element(
        'target',
        {},
        element('format', { type: 'qcow2' }),
        element('permissions', {}, element('mode', {}, '0600')),
      ),
      element('backingStore', {}, element('path', {}, imagePath), element('format', { type: 'qcow2' })),
    );
    const create = () => this.#link.call(procedures.storageVolumeCreateXml, { pool, xml, flags: 0 });
    try {
      await create();
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.volumeExists)) throw error;
      await this.delete(machineName);
      await create();
    }
  }

  /** An overlay that is not there is not an error. */
  async delete(machineName: string): Promise<void> {
    const pool = await this.#pool();
    const name = fileName(machineName);
    try {
      const { volume } = await this.#lookup(pool, name);
      await this.#link.call(procedures.storageVolumeDelete, { volume, flags: 0 });
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.noStorageVolume)) throw error;
    }
  }

  /**
   * Lets libvirt forget the folder; what is in it stays. Another user of the same folder makes the pool known again at
   * its next call, and a pool that is just being used refuses, so neither is an error.
   */
  async release(): Promise<void> {
    if (!this.#used) return;
    const name = this.#poolName();
    const { pool } = await this.#link.call(procedures.storagePoolLookupByName, { name });
    await this.#link.call(procedures.storagePoolDestroy, { pool });
  }

  /** libvirt knows the files of a pool from its last look at the folder; one more look finds the others. */
  async #lookup(pool: StoragePoolRef, name: string) {
    try {
      return await this.#link.call(procedures.storageVolumeLookupByName, { pool, name });
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.noStorageVolume)) throw error;
      await this.#link.call(procedures.storagePoolRefresh, { pool, flags: 0 });
      return this.#link.call(procedures.storageVolumeLookupByName, { pool, name });
    }
  }

  /** The pool of our folder. It is transient: a daemon that started again does not know it, and is told again. */
  async #pool(): Promise<StoragePoolRef> {
    this.#used = true;
    try {
      return (await this.#link.call(procedures.storagePoolLookupByName, { name: this.#poolName() })).pool;
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.noStoragePool)) throw error;
      return this.#createPool();
    }
  }

  async #createPool(): Promise<StoragePoolRef> {
    const { xml } = element(
      'pool',
      { type: 'dir' },
      element('name', {}, this.#poolName()),
      element('target', {}, element('path', {}, this.#folder), element('permissions', {}, element('mode', {}, '0711'))),
    );
    try {
      return (await this.#link.call(procedures.storagePoolCreateXml, { xml, flags: withBuild })).pool;
    } catch (error) {
      // Somebody may have made it in between, or have a pool of another name on that folder.
      const byPath = this.#link.call(procedures.storagePoolLookupByTargetPath, { path: this.#folder });
      return byPath.then(
        ({ pool }) => pool,
        () => {
          throw error;
        },
      );
    }
  }

  #poolName(): string {
    return `tidepool-${createHash('sha256').update(this.#folder).digest('hex').slice(0, 12)}`;
  }
}

function fileName(machineName: string): string {
  return `${machineName}.qcow2`;
}
