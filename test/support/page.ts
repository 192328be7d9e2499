import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium } from 'playwright-core';
import { build } from 'vite';

const PAGE = fileURLToPath(new URL('../../dist/web', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../web/vite.config.ts', import.meta.url));
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * Flags for a browser without a sandbox (tests run as root in containers) and without traffic of
 * its own.
 */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Builds the page where it is missing. @returns its directory. */
export async function builtPage(): Promise<string> {
  if (!existsSync(join(PAGE, 'index.html'))) await build({ configFile: CONFIG, logLevel: 'warn' });
  return PAGE;
}

/**
 * The reason why browser tests cannot run here, for `skip`; false where they can. Under CI=true
 * they are never skipped. Starting the browser then fails, and the test with it.
 */
export function noBrowser(): string | false {
  if (process.env.CI === 'true' || BROWSERS.some((path) => existsSync(path))) return false;
  return 'no Chromium found: install chromium to run the tests of the page';
}

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A Chromium with a profile of its own, which is removed with it. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = BROWSERS.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('no Chromium found: install chromium (apt-get install chromium)');
  const profile = await mkdtemp(join(tmpdir(), 'tallyroom-browser-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, locale: 'en-GB' });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
