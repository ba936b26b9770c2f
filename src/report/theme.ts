/** Colours of a chart, as SVG takes them. */
export interface Theme {
  readonly ink: string;
  readonly faint: string;
  readonly grid: string;
  readonly paper: string;
  readonly good: string;
  readonly bad: string;
  readonly busy: string;
  /** One for each VM, again from the first when there are more. */
  readonly series: readonly string[];
}

/** For a file that stands alone: many viewers of SVG know no style sheets. */
export const lightTheme: Theme = {
  ink: '#1c2530',
  faint: '#5c6875',
  grid: '#dfe4ea',
  paper: '#ffffff',
  good: '#12805c',
  bad: '#c92a2a',
  busy: '#b26a00',
  // Told apart also by who sees red and green as one.
  series: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a6ff0', '#b08900', '#3aa6dd', '#8c564b'],
};

/** The same on a dark ground. */
export const darkTheme: Theme = {
  ink: '#e6ebf0',
  faint: '#9aa7b4',
  grid: '#303b46',
  paper: '#141a20',
  good: '#3ecf9a',
  bad: '#ff7b72',
  busy: '#f0b04a',
  series: ['#56b4e9', '#ff9d4d', '#2fd0a0', '#f0a3cc', '#a79bff', '#e6c84f', '#8fd3ff', '#d3a08f'],
};

/** For a chart within a page: colours are the page's variables, which `themeVariables` sets. */
export const pageTheme: Theme = {
  ink: 'var(--ink)',
  faint: 'var(--faint)',
  grid: 'var(--grid)',
  paper: 'var(--paper)',
  good: 'var(--good)',
  bad: 'var(--bad)',
  busy: 'var(--busy)',
  series: lightTheme.series.map((_, i) => `var(--series-${i})`),
};

/** A theme as declarations of the variables that `pageTheme` uses. */
export function themeVariables({ series, ...colors }: Theme): string {
  const named = Object.entries(colors).map(([name, color]) => `--${name}:${color};`);
  return [...named, ...series.map((color, i) => `--series-${i}:${color};`)].join('');
}
