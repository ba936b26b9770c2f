import type { Ballast, Disk } from '../domain/disk.ts';

/** A disk of which a test says how much is free. What is put by takes its part of that. */
export class FakeDisk implements Disk, Ballast {
  readonly totalBytes: number;
  /** Without what is put by. */
  usedBytes = 0;
  sizeBytes = 0;
  inodes: { free: number; total: number } | undefined;
  error: Error | undefined;
  /** Of what is put by. */
  ballastError: Error | undefined;

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  async space() {
    if (this.error !== undefined) throw this.error;
    const { totalBytes, inodes } = this;
    return { freeBytes: Math.max(0, totalBytes - this.usedBytes - this.sizeBytes), totalBytes, inodes };
  }

  async fill(sizeBytes: number): Promise<void> {
    if (this.ballastError !== undefined) throw this.ballastError;
    this.sizeBytes = sizeBytes;
  }

  async drop(): Promise<boolean> {
    if (this.ballastError !== undefined) throw this.ballastError;
    const wasThere = this.sizeBytes > 0;
    this.sizeBytes = 0;
    return wasThere;
  }
}
