import type { JobView } from '../protocol/api.ts';

/** The exit code of `tidepool run`: the script's own where it has one, else what a shell would say. Pure. */
export function exitCodeOf(job: JobView): number {
  switch (job.state) {
    case 'succeeded':
      return 0;
    case 'failed':
      return job.exitCode ?? 128 + (job.signal ?? 0);
    case 'rejected':
      return 2;
    case 'timed_out':
      return 124;
    case 'out_of_memory':
      return 137;
    case 'cancelled':
      return 130;
    default:
      return 75;
  }
}

/** What a person must be told beside the script's own output; '' when its exit code says it all. Pure. */
export function outcomeMessage(job: JobView): string {
  if (job.syntaxProblem !== null) return syntaxMessage(job.syntaxProblem);
  const endedByItself = job.state === 'succeeded' || (job.state === 'failed' && job.exitCode !== null);
  const notes = endedByItself ? [] : [`tidepool: job ${job.id} ${job.reason}`];
  if (job.outputTruncated) notes.push('tidepool: the output was longer than its limit; the rest was dropped');
  if (job.limitsHit.includes('disk')) notes.push('tidepool: the job ran into its disk limit');
  if (job.limitsHit.includes('processes')) notes.push('tidepool: the job ran into its limit of processes');
  return notes.join('\n');
}

/** As Python prints it. */
function syntaxMessage(problem: NonNullable<JobView['syntaxProblem']>): string {
  const text = problem.text.trimStart();
  const caret = ' '.repeat(Math.max(0, problem.column - 1 - (problem.text.length - text.length)));
  const place = text === '' ? [] : [`    ${text}`, `    ${caret}^`];
  const heading = `  File "${problem.file}", line ${problem.line}, column ${problem.column}`;
  return [heading, ...place, `SyntaxError: ${problem.message}`].join('\n');
}
