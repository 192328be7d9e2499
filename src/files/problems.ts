import { OperationalError } from '../base/errors.ts';

/** A problem of an input: the reason, the place, and the next step. */
export interface InputProblem {
  /** The file or address as the user gave it. */
  readonly file: string;
  /** From 1; null where the whole file is meant. */
  readonly line: number | null;
  /** A column of a table, or the path of a value in JSON; null where the whole line is meant. */
  readonly column: string | null;
  readonly reason: string;
  /** One imperative sentence without its full stop. */
  readonly nextStep: string;
}

/** More at once would scroll the first ones off the screen. */
export const PROBLEMS_SHOWN_MAX = 20;
/** Enough lines of one kind to see what is wrong, and room for other kinds. */
const KIND_SHOWN_MAX = 5;
/** An input with more kinds of problems is of another format. */
const KINDS_MAX = 100;
/** The kinds beyond that, as one. */
const OTHER_KINDS = 'other problems';

/** `file:line: column: reason. Next: what to do.` */
export function formatProblem({ file, line, column, reason, nextStep }: InputProblem): string {
  const place = line === null ? file : `${file}:${line}`;
  return `${place}: ${column === null ? '' : `${column}: `}${reason}. Next: ${nextStep}.`;
}

/** The path of a value in JSON, written as a column: `candidates[2].party_id`. */
export const formatPath = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');

/** Enough of a value to find it in an editor. */
const QUOTED_LENGTH_MAX = 40;

/** A value as a problem shows it: cut, and on one line. Never pass personal data. */
export function quoteValue(value: string): string {
  const characters = [...value.slice(0, 2 * QUOTED_LENGTH_MAX)];
  if (characters.length <= QUOTED_LENGTH_MAX) return JSON.stringify(value);
  return JSON.stringify(`${characters.slice(0, QUOTED_LENGTH_MAX).join('')}...`);
}

/** The kind of a problem: its column and its reason, without values and numbers. */
function kindOf({ column, reason }: InputProblem): string {
  const kind = reason.replace(/"(?:[^"\\]|\\.)*"/g, '"..."').replace(/\d+/g, '...');
  return column === null ? kind : `${column.replace(/\[\d+\]/g, '[...]')}: ${kind}`;
}

/**
 * Sorts problems by kind, so that one kind with thousands of lines does not hide the others. Of
 * each kind the first ones are shown, and all are counted. Memory: a bounded number of problems and
 * kinds.
 */
export class ProblemKinds {
  readonly shown: InputProblem[] = [];
  readonly #counts = new Map<string, number>();

  /** @returns whether the problem is one of those to show. */
  add(problem: InputProblem): boolean {
    const named = kindOf(problem);
    const kind = this.#counts.has(named) || this.#counts.size < KINDS_MAX ? named : OTHER_KINDS;
    const before = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, before + 1);
    const isShown = before < KIND_SHOWN_MAX && this.shown.length < PROBLEMS_SHOWN_MAX;
    if (isShown) this.shown.push(problem);
    return isShown;
  }

  /** A line for each kind with more problems than are shown. */
  get rest(): string[] {
    const shown = Map.groupBy(this.shown, kindOf);
    return [...this.#counts].flatMap(([kind, count]) => {
      const more = count - (shown.get(kind)?.length ?? 0);
      return more === 0 ? [] : [`... and ${more.toLocaleString('en-GB')} more: ${kind}`];
    });
  }
}

/** Tells problems as they come: the first of each kind. */
export interface ProblemReporter {
  tell(problems: readonly InputProblem[]): void;
  /** Tells how many more of each kind there were. */
  end(): void;
}

export function createProblemReporter(say: (line: string) => void): ProblemReporter {
  const kinds = new ProblemKinds();
  return {
    tell(problems) {
      for (const problem of problems) if (kinds.add(problem)) say(formatProblem(problem));
    },
    end() {
      for (const line of kinds.rest) say(line);
    },
  };
}

/**
 * An input that is refused as a whole. Its message lists the problems, so printing the error prints
 * them all.
 */
export class InputRefused extends OperationalError {
  readonly problems: readonly InputProblem[];

  /** @param rest a line for each kind with further problems */
  constructor(problems: readonly InputProblem[], rest: readonly string[] = []) {
    super('INPUT_REFUSED', {
      message: [...problems.map(formatProblem), ...rest].join('\n'),
      nextStep: 'Correct the input and start again; nothing of it was used.',
    });
    this.problems = problems;
  }
}

/** Gathers the problems of an input that is accepted or refused as a whole. */
export class ProblemList {
  readonly #file: string;
  readonly #kinds = new ProblemKinds();

  constructor(file: string) {
    this.#file = file;
  }

  get empty(): boolean {
    return this.#kinds.shown.length === 0;
  }

  add(line: number | null, column: string | null, reason: string, nextStep: string): void {
    this.#kinds.add({ file: this.#file, line, column, reason, nextStep });
  }

  addAll(problems: readonly InputProblem[]): void {
    for (const problem of problems) this.#kinds.add(problem);
  }

  /** @throws InputRefused when there is any problem. */
  refuse(): void {
    if (!this.empty) throw new InputRefused(this.#kinds.shown, this.#kinds.rest);
  }
}

/** A refusal for one reason. */
export const refusal = (
  file: string,
  line: number | null,
  column: string | null,
  reason: string,
  nextStep: string,
): InputRefused => new InputRefused([{ file, line, column, reason, nextStep: nextStep }]);
