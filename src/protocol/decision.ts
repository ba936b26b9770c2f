/** What a decision of the autoscaler says, read the same way by terminal, report and page. */

interface Reason {
  readonly code: string;
  readonly text: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** A decision as domain and API both have it. */
export interface DecisionLike {
  readonly from: number;
  readonly desired: number;
  readonly action: 'out' | 'in' | 'none';
  readonly recommendations: readonly { readonly policy: string; readonly desired: number; readonly reason: Reason }[];
  readonly limits: readonly Reason[];
}

/** A decision in one sentence. */
export function explain({ from, desired, action, recommendations, limits }: DecisionLike): string {
  const what =
    action === 'none' ? `stays at ${from}` : `${action === 'out' ? 'grows' : 'shrinks'} from ${from} to ${desired}`;
  const [first] = recommendations;
  const why = [
    ...(first === undefined ? [] : [`${first.policy}: ${first.reason.text}`]),
    ...limits.map((reason) => reason.text),
  ];
  return `${what}${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
}

/** A mean CPU of the pool at which a policy acts. */
export interface CpuLimit {
  readonly policy: string;
  /** Above `grow` the pool grows, below `shrink` it shrinks, and it is kept near `target`. */
  readonly kind: 'grow' | 'shrink' | 'target';
  /** 0 to 1. */
  readonly cpu: number;
}

/** Which numbers of a reason are limits of CPU. */
const limitNumbers = { growAbove: 'grow', shrinkBelow: 'shrink', target: 'target' } as const;

/** The limits of CPU that the policies of a decision look at, those of the winner first. */
export function cpuLimits({ recommendations }: DecisionLike): CpuLimit[] {
  return recommendations.flatMap(({ policy, reason }) =>
    Object.entries(limitNumbers).flatMap(([name, kind]) => {
      const cpu = reason.numbers[name];
      return cpu === undefined ? [] : [{ policy, kind, cpu }];
    }),
  );
}

/** How far back the samples go that decided; undefined when the winner looks at none. */
export function decidingWindowMs({ recommendations }: DecisionLike): number | undefined {
  return recommendations[0]?.reason.numbers.windowMs;
}
