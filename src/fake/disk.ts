import type { Ballast, Disk } from '../domain/disk.ts';

/** A disk of which a test says how much is free. What is put by takes its part of that. */
export class FakeDisk implements Disk, Ballast {
  readonly totalBytes: number;
  /** Without what is put by. */
  usedBytes = 0;
  sizeBytes = 0;
  error: Error | undefined;

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  async space() {
    if (this.error !== undefined) throw this.error;
    return { freeBytes: Math.max(0, this.totalBytes - this.usedBytes - this.sizeBytes), totalBytes: this.totalBytes };
  }

  async fill(sizeBytes: number): Promise<void> {
    this.sizeBytes = sizeBytes;
  }

  async drop(): Promise<boolean> {
    const wasThere = this.sizeBytes > 0;
    this.sizeBytes = 0;
    return wasThere;
  }
}
