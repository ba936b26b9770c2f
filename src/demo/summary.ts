import type { Account } from './story.ts';

/** The story in words. Pure. */
export function summary(account: Account, page: string): string {
  const { jobMs, deployMs, most, growMs, noticedMs, repairMs, shrinkMs, load } = account;
  return [
    'What happened, on real virtual machines:',
    `- A machine-learning job (scikit-learn, OpenCV, PyTorch) ran to its end in ${seconds(jobMs)}, its VM's boot included.`,
    `- The service was deployed and answered after ${seconds(deployMs)}.`,
    `- Under load the pool grew: the second VM served ${seconds(growMs)} after the load had risen; there were ${most} at the most.`,
    `- A VM whose power was cut was noticed after ${seconds(noticedMs)}; another served in its place after ${seconds(repairMs)}.`,
    `- With the load gone the pool was back at one VM after ${seconds(shrinkMs)}.`,
    `- ${load.requests} requests were sent and ${load.lost === 0 ? 'none was' : `${load.lost} were`} lost; half were answered within ${load.p50Ms.toFixed(0)} ms, 99 % within ${load.p99Ms.toFixed(0)} ms.`,
    `The picture of it: ${page}`,
  ].join('\n');
}

/** What must not have happened. Pure. */
export function shortcomings({ most, load }: Account): string[] {
  return [
    ...(most < 2 ? ['the pool did not grow'] : []),
    ...(load.requests === 0 ? ['no request was sent'] : []),
    ...(load.lost > 0 ? [`${load.lost} of ${load.requests} requests were lost`] : []),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
