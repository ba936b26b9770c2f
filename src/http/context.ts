import type { JobContext } from '../jobs/context.ts';
import type { SubmissionRules } from '../jobs/submit.ts';
import type { HealthView } from '../protocol/api.ts';

/** What the HTTP routes work with. */
export interface HttpContext {
  readonly jobs: JobContext;
  readonly rules: SubmissionRules;
  /** The largest dataset that may be uploaded. */
  readonly maxUploadBytes: number;
  readonly adminToken: string;
  readonly version: string;
  status(): HealthView['status'];
  waitReason(jobId: string): string;
}
