import { refusal } from './problems.ts';

/** The first bytes of a file show its encoding and its kind. */

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The first line of every input has names in ASCII, so this much of it shows UTF-16. */
const SAMPLE_BYTES = 64;

/** UTF-16 by its mark, or by the zeros beside the letters of a first line in ASCII. */
export function encodingOf(head: Buffer): Encoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  const sample = head.subarray(0, SAMPLE_BYTES);
  const zeros = [0, 0];
  for (const [at, byte] of sample.entries()) if (byte === 0) zeros[at % 2]!++;
  const half = sample.length / 4;
  if (zeros[1]! > half && zeros[0] === 0) return 'utf-16le';
  return zeros[0]! > half && zeros[1] === 0 ? 'utf-16be' : 'utf-8';
}

type Kind = readonly [reason: string, nextStep: string];

const AS_CSV = 'save the table as CSV with the columns that docs/inputs.md names';
const HTML: Kind = [
  'this is an HTML page, often an error or login page saved instead of the file',
  'open the address in a browser and download the file itself',
];

/**
 * Refuses kinds of files that are often given by mistake. Their first bytes show the kind.
 * @throws InputRefused
 */
export function checkHead(path: string, head: Buffer): void {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  const kind: Kind | null = begins(0x50, 0x4b, 0x03, 0x04)
    ? ['this is a workbook or ZIP archive', 'export its sheet as CSV in UTF-8']
    : begins(0xd0, 0xcf, 0x11, 0xe0)
      ? ['this is a workbook of an old Excel', 'export its sheet as CSV in UTF-8']
      : begins(0x1f, 0x8b)
        ? ['this is compressed with gzip', 'unpack it with gunzip first']
        : begins(0x25, 0x50, 0x44, 0x46)
          ? ['this is a PDF document', AS_CSV]
          : begins(0xff, 0xfe, 0, 0) || begins(0, 0, 0xfe, 0xff)
            ? ['the text is UTF-32, not UTF-8', 'save it as UTF-8']
            : kindOfText(head);
  if (kind !== null) throw refusal(path, 1, null, ...kind);
}

function kindOfText(head: Buffer): Kind | null {
  const encoding = encodingOf(head);
  const sample = head.subarray(0, SAMPLE_BYTES);
  if (encoding === 'utf-8' && sample.filter((byte) => byte === 0).length > sample.length / 2)
    return ['it is mostly zero bytes, so it is not text', 'check that this is the right file'];
  const text = new TextDecoder(encoding).decode(head.subarray(0, 2_000)).trimStart();
  if (!text.startsWith('<')) return null;
  if (/<(!doctype\s+html|html|head|body)\b/i.test(text)) return HTML;
  const root = /<([A-Za-z][\w.:-]*)/.exec(text.replace(/<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g, ''))?.[1];
  if (root === undefined && !text.startsWith('<?xml') && !text.startsWith('<!--')) return null;
  if (root?.replace(/^.*:/, '').toUpperCase() === 'EML')
    return ['this is EML, an XML format, which is not read', AS_CSV];
  return [`this is XML${root === undefined ? '' : ` (its root is <${root.slice(0, 40)}>)`}, which is not read`, AS_CSV];
}
