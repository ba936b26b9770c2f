import { Menu } from '@base-ui/react/menu';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { WhoView } from '../protocol/account.ts';
import { answer, api } from './api/client.ts';
import { poolsQuery, queries } from './api/queries.ts';
import { openAlerts } from './live/alerts.ts';
import { useLive } from './live/events.ts';
import { applyTheme, type ThemeChoice, themeChoice } from './theme.ts';
import { Button } from './ui/button.tsx';
import { tellError } from './ui/toasts.tsx';
import { useNow } from './ui/use-now.ts';

const sections = [
  ['/', 'Jobs'],
  ['/pools', 'Pools'],
  ['/services', 'Services'],
  ['/machines', 'Machines'],
  ['/events', 'Events'],
] as const;

/** What is around every page: where one can go, whether we hear from the server, who is signed in. */
export function Shell({ who, children }: { who: WhoView; children: ReactNode }) {
  const [location] = useLocation();
  const [isOpen, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(location);
  useEffect(() => {
    setOpen(false);
    // A page that came by a link begins at its top, for eyes and for screen readers.
    if (shown.current !== location) main.current?.focus();
    shown.current = location;
  }, [location]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="26" height="26" />
          Tidepool
        </Link>
        <Button
          look="quiet"
          className="menu-button"
          aria-expanded={isOpen}
          aria-controls="sections"
          onClick={() => setOpen(!isOpen)}
        >
          Menu
        </Button>
        <nav id="sections" className={isOpen ? 'sections open' : 'sections'} aria-label="Sections">
          {sections.map(([href, name]) => (
            <Section key={href} href={href} name={name} location={location} />
          ))}
          {who.role === 'admin' && <Section href="/users" name="Users" location={location} />}
          <Link href="/submit" className="button primary submit-link">
            Submit a job
          </Link>
          <UserMenu who={who} />
        </nav>
      </header>
      <Connection />
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Section({ href, name, location }: { href: string; name: string; location: string }) {
  const isJobs = location === '/' || /^\/(jobs|job-status)\//.test(location);
  const isHere = href === '/' ? isJobs : location === href || location.startsWith(`${href}/`);
  const nowMs = useNow(5_000);
  const alerts = openAlerts(useLive().events, nowMs).length;
  return (
    <Link href={href} {...(isHere ? { 'aria-current': 'page' as const } : {})}>
      {name}
      {href === '/events' && alerts > 0 && (
        <span className="count" title="open alerts">
          {alerts}
        </span>
      )}
    </Link>
  );
}

const themes: readonly [ThemeChoice, string][] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

function UserMenu({ who }: { who: WhoView }) {
  const [, go] = useLocation();
  const [theme, setTheme] = useState(themeChoice);
  const signOut = async (): Promise<void> => {
    await answer(api.DELETE('/api/v1/session')).catch(tellError);
    queries.clear();
    location.assign('/');
  };
  return (
    <Menu.Root>
      <Menu.Trigger className="button quiet user-menu">{who.name} ▾</Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className="menu-place" sideOffset={4} align="end">
          <Menu.Popup className="menu">
            <Menu.Item className="menu-item" onClick={() => go('/account')}>
              Password and tokens
            </Menu.Item>
            <Menu.Item className="menu-item" onClick={() => window.open('/api/docs', '_blank', 'noopener')}>
              API documents
            </Menu.Item>
            <Menu.Separator className="menu-line" />
            <Menu.RadioGroup
              value={theme}
              onValueChange={(choice: ThemeChoice) => {
                applyTheme(choice);
                setTheme(choice);
              }}
            >
              {themes.map(([value, label]) => (
                <Menu.RadioItem key={value} value={value} className="menu-item">
                  <span className="mark" aria-hidden="true">
                    {theme === value ? '✓' : ''}
                  </span>
                  {label}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <Menu.Separator className="menu-line" />
            <Menu.Item className="menu-item" onClick={() => void signOut()}>
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

/** A moment's silence is nothing to tell. */
const quietMs = 1_500;

function Connection() {
  const { state } = useLive();
  const { isError } = useQuery(poolsQuery);
  const nowMs = useNow(500);
  const [lostAtMs, setLostAtMs] = useState<number>();
  const isLost = state === 'lost' || isError;
  useEffect(() => setLostAtMs(isLost ? Date.now() : undefined), [isLost]);
  const text = navigator.onLine ? 'The connection to the server is lost' : 'This computer is offline';
  const isShown = lostAtMs !== undefined && nowMs - lostAtMs > quietMs;
  return (
    <div role="status" className={isShown ? 'banner' : ''}>
      {isShown && `${text}. What is shown may be old; it goes on by itself when the server is back.`}
    </div>
  );
}
