/** The size of a VM. */
export interface Flavor {
  readonly name: string;
  /** 1 to 64. */
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
}

/** The two sizes of the first system: 1 CPU with 2 GB, and 2 CPUs with 4 GB. */
export const defaultFlavors: readonly [Flavor, ...Flavor[]] = [
  { name: 'small', vcpus: 1, memoryMiB: 2048, diskGiB: 10 },
  { name: 'large', vcpus: 2, memoryMiB: 4096, diskGiB: 20 },
];
