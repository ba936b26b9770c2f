export type ThemeChoice = 'system' | 'light' | 'dark';
const key = 'tidepool.theme';

/** What the user chose on this browser. */
export function themeChoice(): ThemeChoice {
  const stored = localStorage.getItem(key);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

/** Light or dark at once, and for the next visits; `system` follows the system. */
export function applyTheme(choice: ThemeChoice): void {
  if (choice === 'system') localStorage.removeItem(key);
  else localStorage.setItem(key, choice);
  const { classList } = document.documentElement;
  classList.toggle('light', choice === 'light');
  classList.toggle('dark', choice === 'dark');
  window.dispatchEvent(new Event('themechange'));
}
