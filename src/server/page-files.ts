import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { Body } from './answer.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * The built page by address (`/`, `/assets/...`), read into memory once: it is small, and no
 * request becomes a path. Empty where nothing is built.
 */
export function readPage(directory: string): Map<string, Body> {
  const files = new Map<string, Body>();
  let names: string[];
  try {
    names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  } catch {
    return files;
  }
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const content = readFileSync(join(directory, name));
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
    const address = `/${name.split(sep).join('/')}`;
    files.set(address === '/index.html' ? '/' : address, new Body(type, etag, content));
  }
  return files;
}
