/** The lowest free name `<prefix>-NNNN`. Pure. */
export function nextVmName(prefix: string, taken: ReadonlySet<string>): string {
  for (let number = 0; ; number += 1) {
    const name = `${prefix}-${String(number).padStart(4, '0')}`;
    if (!taken.has(name)) return name;
  }
}
