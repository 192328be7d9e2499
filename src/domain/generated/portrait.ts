import { createSeed, hashToUnit } from '../numbers/random.ts';

/** Colours that go together: every background goes with every skin, hair and garment. */
const BACKGROUNDS = ['#dfe7ec', '#efe3d3', '#e0e8dc', '#ece0e6', '#e3e2f0', '#f0e9cf', '#d9e8e6', '#eddcd6'];
const SKINS = ['#f6d7c3', '#edc2a0', '#dda37c', '#c48a60', '#a76d47', '#8a5636', '#744830', '#5f3b29'];
const HAIR = ['#241c17', '#3a281e', '#5a3a26', '#7d5433', '#a9793f', '#cfae6d', '#9a4a2a', '#8d8f93', '#d9d9d6'];
const GARMENTS = ['#2f4858', '#5b3a4c', '#37503f', '#7a4b2c', '#3f3f63', '#8b3b3b', '#22616b', '#4a4a4a'];
const CLOTHS = ['#7b3f61', '#2f6f73', '#a2622d', '#3d5a98', '#6b6f3a', '#8a4a4a'];

/**
 * Long, medium, bob, curls, bun, short, parted, cropped, bald, headscarf, turban. Each has a part
 * behind the face and a part in front of it.
 */
const STYLES: readonly {
  readonly back: string;
  readonly front: string;
  readonly isCloth?: boolean;
  readonly canBeard: boolean;
}[] = [
  {
    back: '<path d="M22 52Q20 15 48 15T74 52L77 84Q48 92 19 84Z"/>',
    front: '<path d="M27 46Q28 22 50 21 69 23 69 46 62 40 55 28 44 40 27 46Z"/>',
    canBeard: false,
  },
  {
    back: '<path d="M23 50Q20 16 48 16T73 50Q75 64 70 70H26Q21 64 23 50Z"/>',
    front: '<path d="M27 47Q25 21 48 21T69 47Q66 34 58 31 40 32 32 34 28 39 27 47Z"/>',
    canBeard: false,
  },
  {
    back: '<path d="M24 62Q17 17 48 16 79 17 72 62 66 66 62 60H34Q30 66 24 62Z"/>',
    front: '<path d="M27 42Q28 20 48 20T69 42Q48 34 27 42Z"/>',
    canBeard: false,
  },
  {
    back: '<circle cx="30" cy="34" r="12"/><circle cx="66" cy="34" r="12"/><circle cx="48" cy="24" r="15"/><circle cx="25" cy="50" r="9"/><circle cx="71" cy="50" r="9"/>',
    front: '<path d="M27 42Q31 24 48 24T69 42Q64 32 56 34 48 29 40 34 32 32 27 42Z"/>',
    canBeard: true,
  },
  {
    back: '<circle cx="48" cy="14" r="9"/><path d="M25 48Q23 18 48 18T71 48Z"/>',
    front: '<path d="M27 44Q28 22 48 22T69 44Q62 31 48 30 34 31 27 44Z"/>',
    canBeard: false,
  },
  {
    back: '<path d="M26 48Q23 17 48 17T70 48Z"/>',
    front: '<path d="M27 43Q26 20 48 20T69 43L66 33Q56 34 44 29 36 31 30 34Z"/>',
    canBeard: true,
  },
  {
    back: '<path d="M26 46Q22 20 42 17 72 14 70 46Z"/>',
    front: '<path d="M27 42Q26 24 38 20 62 15 69 42 66 34 62 32 46 35 38 24 34 34 27 42Z"/>',
    canBeard: true,
  },
  { back: '', front: '<path d="M27.5 41Q27 22 48 22T68.5 41Q65 30 48 29 31 30 27.5 41Z"/>', canBeard: true },
  { back: '', front: '', canBeard: true },
  {
    back: '<path d="M20 60Q15 13 48 13T76 60Q80 80 74 92H22Q16 80 20 60Z"/>',
    front:
      '<path fill-rule="evenodd" d="M22 56Q18 15 48 15T74 56Q74 78 48 80 22 78 22 56ZM29 50Q29 70 48 71.5 67 70 67 50 66 30 48 29 30 30 29 50Z"/>',
    isCloth: true,
    canBeard: false,
  },
  {
    back: '<path d="M22 40Q20 10 48 9T74 40Z"/>',
    front:
      '<path d="M23 41Q20 11 48 10T73 41Q62 29 48 24 34 29 23 41Z"/><path d="M26 36Q38 18 60 14M70 36Q60 20 40 13" fill="none" stroke="#fff" stroke-opacity=".25" stroke-width="1.5"/>',
    isCloth: true,
    canBeard: true,
  },
];

/**
 * A friendly face of an invented candidate, an SVG as a data URI of less than 3 KB. Skin, hair,
 * dress and beard are drawn evenly, so that no group is missing and none stands for the others.
 */
export function drawPortrait(seed: string): string {
  const numbers = createSeed('portrait', seed);
  let drawn = 0;
  const draw = (options: number): number => Math.floor(hashToUnit(numbers, drawn++, 0) * options);
  const pick = <Value>(values: readonly Value[]): Value => values[draw(values.length)]!;
  const skin = pick(SKINS);
  // Fair hair reads as a dye on the darker half of the skins; grey suits everyone.
  const hairs = SKINS.indexOf(skin) < 4 ? HAIR : [...HAIR.slice(0, 4), ...HAIR.slice(-2)];
  const style = pick(STYLES);
  const hair = style.isCloth ? pick(CLOTHS) : pick(hairs);
  const beardColour = style.isCloth || style.front === '' ? pick(HAIR.slice(0, 4)) : hair;
  const brow = ['#8d8f93', '#d9d9d6'].includes(beardColour) ? '#77797d' : '#2b1d16';
  const hasBeard = style.canBeard && draw(3) === 0;
  const hasGlasses = draw(4) === 0;
  const parts = [
    `<rect width="96" height="96" fill="${pick(BACKGROUNDS)}"/>`,
    `<g fill="${hair}">${style.back}</g>`,
    drawClothes(pick(GARMENTS), draw(3)),
    `<path d="M40 62H56V76Q48 83 40 76Z" fill="${skin}"/><path d="M40 68Q48 74 56 68V72Q48 78 40 72Z" opacity=".15"/>`,
    `<g fill="${skin}"><circle cx="27.5" cy="50" r="4"/><circle cx="68.5" cy="50" r="4"/><path d="M28 44Q28 26 48 26T68 44V52Q68 73 48 73T28 52Z"/></g>`,
    hasBeard
      ? `<path d="M28 50Q29 59 36 59 42 56 48 57 54 56 60 59 67 59 68 50 70 76 48 77 26 76 28 50Z" fill="${beardColour}"/>`
      : '',
    drawFeatures(brow, draw(3)),
    `<g fill="${hair}">${style.front}</g>`,
    hasGlasses
      ? '<g fill="#fff" fill-opacity=".18" stroke="#2b2b2b" stroke-width="1.6"><circle cx="39.5" cy="48" r="6.5"/><circle cx="56.5" cy="48" r="6.5"/><path d="M46 47Q48 45.5 50 47" fill="none"/></g>'
      : '',
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">${parts.join('')}</svg>`;
  return `data:image/svg+xml,${svg.replace(/[%#<>"]/g, (character) => ESCAPES[character] ?? character)}`;
}

/** The characters that a data URI must escape. */
const ESCAPES: Readonly<Record<string, string>> = { '%': '%25', '#': '%23', '<': '%3C', '>': '%3E', '"': "'" };

function drawClothes(colour: string, kind: number): string {
  const shoulders = `<path d="M10 98Q12 80 34 75L48 82 62 75Q84 80 86 98Z" fill="${colour}"/>`;
  if (kind === 0)
    return `${shoulders}<path d="M37 74L48 92 59 74 48 80Z" fill="#f7f5f0"/><path d="M34 75L44 98H30ZM62 75L52 98H66Z" opacity=".2"/>`;
  if (kind === 1) return `${shoulders}<path d="M35 74Q48 88 61 74L63 78Q48 94 33 78Z" fill="#f7f5f0" opacity=".85"/>`;
  return `${shoulders}<path d="M36 72Q48 82 60 72L62 79Q48 89 34 79Z" opacity=".22"/>`;
}

function drawFeatures(brow: string, mouth: number): string {
  const mouths = [
    '<path d="M41 62Q48 68 55 62" fill="none" stroke="#3b1d18" stroke-width="1.6" stroke-linecap="round"/>',
    '<path d="M40.5 61.5Q48 71 55.5 61.5 48 63.5 40.5 61.5Z" fill="#fff" stroke="#3b1d18" stroke-width="1.2"/>',
    '<path d="M42 63Q48 66.5 54 63" fill="none" stroke="#3b1d18" stroke-width="1.8" stroke-linecap="round"/>',
  ];
  return `<g fill="none" stroke="${brow}" stroke-width="1.8" stroke-linecap="round"><path d="M35.5 41.5Q39.5 39 43.5 41.2M52.5 41.2Q56.5 39 60.5 41.5"/></g><g fill="#231815"><circle cx="39.5" cy="48" r="2"/><circle cx="56.5" cy="48" r="2"/></g><g fill="#fff"><circle cx="40.2" cy="47.3" r=".6"/><circle cx="57.2" cy="47.3" r=".6"/></g><path d="M48 50Q46 55 48.5 56.5" fill="none" stroke="#000" stroke-opacity=".28" stroke-width="1.5" stroke-linecap="round"/><g fill="#d8583c" opacity=".13"><circle cx="35" cy="57" r="4"/><circle cx="61" cy="57" r="4"/></g>${mouths[mouth]}`;
}
