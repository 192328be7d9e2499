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

/**
 * An input that is refused as a whole. Its message lists the problems, so printing the error prints
 * them all.
 */
export class InputRefused extends OperationalError {
  readonly problems: readonly InputProblem[];

  /** @param more whether there are further problems than those listed */
  constructor(problems: readonly InputProblem[], more = false) {
    const lines = problems.map(formatProblem);
    if (more) lines.push(`... and more: only the first ${problems.length} problems are shown`);
    super('INPUT_REFUSED', {
      message: lines.join('\n'),
      nextStep: 'Correct the input and start again; nothing of it was used.',
    });
    this.problems = problems;
  }
}

/** Gathers the problems of an input that is accepted or refused as a whole. */
export class ProblemList {
  readonly #file: string;
  readonly #problems: InputProblem[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  get empty(): boolean {
    return this.#problems.length === 0;
  }

  /** @throws InputRefused when there are more than can be shown. */
  add(line: number | null, column: string | null, reason: string, nextStep: string): void {
    this.addAll([{ file: this.#file, line, column, reason, nextStep: nextStep }]);
  }

  /** @throws InputRefused when there are more than can be shown. */
  addAll(problems: readonly InputProblem[]): void {
    this.#problems.push(...problems);
    if (this.#problems.length > PROBLEMS_SHOWN_MAX)
      throw new InputRefused(this.#problems.slice(0, PROBLEMS_SHOWN_MAX), true);
  }

  /** @throws InputRefused when there is any problem. */
  refuse(): void {
    if (!this.empty) throw new InputRefused(this.#problems);
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
