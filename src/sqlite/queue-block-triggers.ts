/**
 * Returns statements that create the triggers which count queued jobs in `queue_block`.
 * @param levels lengths of the beginnings of ids by which jobs are counted; 0 counts all jobs of a priority
 */
export function queueBlockTriggers(levels: readonly number[]): string[] {
  return [
    `create trigger queue_block_new after insert on job when new.state = 'queued' begin ${joins(levels)} end`,
    `create trigger queue_block_join after update of state on job when new.state = 'queued' and old.state != 'queued'
    begin ${joins(levels)} end`,
    `create trigger queue_block_leave after update of state on job when old.state = 'queued' and new.state != 'queued'
    begin ${leaves(levels)} end`,
    `create trigger queue_block_gone after delete on job when old.state = 'queued' begin ${leaves(levels)} end`,
  ];
}

/** Names of those triggers. */
export const queueBlockTriggerNames = ['new', 'join', 'leave', 'gone'].map((name) => `queue_block_${name}`);

function joins(levels: readonly number[]): string {
  return each(levels, 'new', (level, prefix) => [
    `insert into queue_block (owner, level, priority, prefix, count)
      values (new.owner, ${level}, new.priority, ${prefix}, 1)
      on conflict do update set count = count + 1`,
  ]);
}

function leaves(levels: readonly number[]): string {
  return each(levels, 'old', (level, prefix) => {
    const block = `owner = old.owner and level = ${level} and priority = old.priority and prefix = ${prefix}`;
    return [
      `update queue_block set count = count - 1 where ${block}`,
      `delete from queue_block where ${block} and count = 0`,
    ];
  });
}

function each(
  levels: readonly number[],
  row: 'old' | 'new',
  statements: (level: number, prefix: string) => string[],
): string {
  const all = levels.flatMap((level) => statements(level, `substr(${row}.id, 1, ${level})`));
  return all.map((statement) => `${statement};`).join('\n');
}
