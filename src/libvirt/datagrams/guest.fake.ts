/** The frame of a guest that sends a datagram back to where it came from: all addresses and ports change places. */
export function mirrored(frame: Buffer): Buffer {
  const swap = (from: number, other: number, length: number): void => {
    frame.copy(back, from, other, other + length);
    frame.copy(back, other, from, from + length);
  };
  const back = Buffer.from(frame);
  swap(0, 6, 6);
  swap(26, 30, 4);
  swap(34, 36, 2);
  return back;
}
