// Loaded into the server that a soak starts (`node --import`): adds the milliseconds in the file of TIDEPOOL_SOAK_CLOCK to the
// wall clock of this process, as if somebody had set the clock of the machine. Steady time and timers are not touched.
import { readFileSync } from 'node:fs';

const file = process.env.TIDEPOOL_SOAK_CLOCK;
const lookEveryMs = 50;
const realNow = Date.now.bind(Date);
let offsetMs = 0;

function look() {
  try {
    offsetMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // The file is being written at this moment; the next look sees it.
  }
}

if (file !== undefined) {
  look();
  setInterval(look, lookEveryMs).unref();
  Date.now = () => realNow() + offsetMs;
}
