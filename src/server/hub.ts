import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setImmediate as otherWork } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { giveMemoryBack } from '../base/memory.ts';
import type { ContestResult, LocationResult } from '../domain/results/results.ts';
import { resultsDelta } from '../domain/results/results-delta.ts';
import { isOlderState } from '../domain/results/state-id.ts';
import type { ResultsFeed } from '../live/results-feed.ts';
import type { DashboardState } from '../live/state-builder.ts';
import { acceptedEncodings } from './encoding.ts';
import { readSendQueues, type SendQueues, waitingFor } from './send-queues.ts';

/**
 * From one tick to the next: at most 33 updates a second to a browser. With the counter's spacing,
 * the aim is that 99 of 100 votes are painted within 100 ms of their commit. Measured: p99 112 ms
 * counted in-process, 421 ms by Spark (docs/benchmarks.md).
 */
const TICK_SPACING_MS = 30;
/** Ticks take at most this part of a core: those of large elections move apart. */
const TICK_CORE_SHARE_MAX = 0.1;
/**
 * A viewer with more waiting bytes is slow: it is skipped, then told to fetch the snapshot. 100
 * stalled viewers cost 6 MB.
 */
const VIEWER_BUFFER_BYTES_MAX = 64 * 1024;
/** 18,000 viewers were measured at 228 MB. More viewers need a second dashboard process. */
export const VIEWERS_MAX = 20_000;
/** A viewer that hears nothing for several of these knows that the connection is dead. */
const HEARTBEAT_MS = 5_000;
/**
 * A viewer that has taken nothing for this long, while something waits for it, is dropped: it would
 * hold a place and memory for ever. A phone that sleeps comes back by itself.
 */
const STALLED_MS_MAX = 60_000;
/**
 * The most viewers from one address, a tenth of all: one machine cannot take every place. Thousands
 * of people may share the address of an operator, or of a proxy that is not told.
 */
export const VIEWERS_PER_ADDRESS_MAX = 2_000;
/**
 * The garbage of a write lives until other work gets its turn. That of 10,000 viewers at once
 * outlives two collections, and V8 moves it to the old generation: 656 MB, against 355 MB.
 */
const VIEWERS_PER_TURN = 250;
/** Memory is given back when this many viewers have left, if they were at least half of all. */
const CROWD_MIN = 1_000;
/** States that a viewer can come back from: at 33 a second, those of about two minutes. */
const RESUME_IDS_MAX = 4_096;
/**
 * Where more locations changed since a viewer left, the shared, cached snapshot is cheaper than a
 * delta of its own.
 */
const RESUME_LOCATIONS_MAX = 500;

export const EVENT_STREAM_TYPE = 'text/event-stream; charset=utf-8';

/** The ten bytes at the start of every gzip stream; the shared raw-deflate blocks follow them. */
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** One event, serialised once for all viewers, and compressed once if any of them needs that. */
class Frame {
  readonly plain: Buffer;
  #packed: Buffer | null = null;

  constructor(text: string) {
    this.plain = Buffer.from(text);
  }

  /**
   * A raw-deflate block that ends on a byte and refers to nothing before it: it fits into any
   * viewer's gzip stream.
   */
  get packed(): Buffer {
    // A copy: what zlib returns is a part of 16 KB, which would stay as long as the frame waits.
    this.#packed ??= Buffer.from(deflateRawSync(this.plain, { level: 3, finishFlush: constants.Z_FULL_FLUSH }));
    return this.#packed;
  }
}

const HEARTBEAT = new Frame(': heartbeat\n\n');
/** Viewers fetch the snapshot, and get the reason instead. */
const NOTHING_TO_SHOW = new Frame('event: resync\ndata: {}\n\n');

interface Viewer {
  readonly response: ServerResponse;
  readonly isPacked: boolean;
  /** Skipped at least one frame, so it needs the snapshot. */
  isBehind: boolean;
  readonly address: string;
  /** The bytes that its end has taken, and when that was last more, or nothing waited. */
  taken: number;
  takenAt: number;
}

export interface HubOptions {
  /** The addresses of proxies: many viewers come from each. This machine is one by itself. */
  readonly proxies?: readonly string[];
  /** The time between two heartbeats. */
  readonly heartbeat_ms?: number;
  /** See {@link STALLED_MS_MAX}. */
  readonly stalled_ms?: number;
}

/** The answer to a viewer that wants to be taken in. */
export type Admission = 'in' | 'full' | 'too-many-from-address';

/**
 * Whether a state goes on from another one. Topics that were made again begin with lower offsets:
 * viewers then take the whole state, since they drop older updates.
 */
const goesOn = (before: DashboardState, now: DashboardState): boolean =>
  before.definition.tag === now.definition.tag && !isOlderState(now.id, before.id);

/** An address without the form that IPv6 gives those of IPv4. */
const plainAddress = (address: string): string => address.replace(/^::ffff:/, '');

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/**
 * Sends every state to every viewer as server-sent events: `update` (a ResultsDelta) and `resync`
 * (fetch the snapshot), each with the id of its state. Memory: a number a location and contest,
 * some ids, and a bounded buffer a viewer.
 */
export class Hub {
  /** The state of the last tick, and the snapshot: so the stream goes on from any snapshot. */
  shown: DashboardState | null = null;
  framesSkipped = 0;
  viewersDropped = 0;
  readonly #byAddress = new Map<string, number>();
  readonly #proxies: ReadonlySet<string>;
  readonly #stalled_ms: number;
  /** The trouble that viewers were told of last. */
  #trouble: string | null = null;
  readonly #feed: ResultsFeed;
  readonly #unsubscribe: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #viewers = new Set<Viewer>();
  /** Counts the ticks; each entry of `shown` has the number of the tick that brought it. */
  #version = 0;
  #contestVersions = new Float64Array(0);
  #locationVersions = new Float64Array(0);
  /** The tick that first showed an id. */
  readonly #versionOfId = new Map<string, number>();
  /** Frames for viewers that came back since the last tick, by the tick they came back from. */
  readonly #resumeFrames = new Map<number, Frame>();
  /** The advice to fetch the state on show; null until somebody needs it. */
  #resync: Frame | null = null;
  #nextTickAt = 0;
  /** While the frame of a tick is on its way to the viewers. */
  #isSending = false;
  #isClosed = false;
  /** The most viewers since memory was given back last. */
  #viewersMost = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(feed: ResultsFeed, options: HubOptions = {}) {
    const { proxies = [], heartbeat_ms = HEARTBEAT_MS, stalled_ms = STALLED_MS_MAX } = options;
    this.#feed = feed;
    this.#proxies = new Set(proxies);
    this.#stalled_ms = stalled_ms;
    this.#unsubscribe = feed.subscribe(() => this.#onChange());
    this.#heartbeat = setInterval(() => void this.#beat(), heartbeat_ms).unref();
    this.#tick();
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Takes a viewer in, where there is a place, for every change until the response closes. */
  connect(request: IncomingMessage, response: ServerResponse): Admission {
    const address = plainAddress(request.socket.remoteAddress ?? '');
    if (this.#viewers.size >= VIEWERS_MAX) return 'full';
    const fromThere = this.#byAddress.get(address) ?? 0;
    if (fromThere >= VIEWERS_PER_ADDRESS_MAX && !isLoopback(address) && !this.#proxies.has(address))
      return 'too-many-from-address';
    this.#byAddress.set(address, fromThere + 1);
    const isPacked = acceptedEncodings(request).gzip;
    const takenAt = performance.now();
    const viewer: Viewer = { response, isPacked, isBehind: false, address, taken: 0, takenAt };
    response.writeHead(200, {
      'content-type': EVENT_STREAM_TYPE,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      vary: 'accept-encoding',
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
    });
    if (isPacked) response.write(GZIP_HEADER);
    this.#viewers.add(viewer);
    this.#viewersMost = Math.max(this.#viewersMost, this.#viewers.size);
    // The response's close, not the request's: the request closes as soon as it has been read.
    response.on('close', () => this.#forget(viewer));
    response.on('error', () => this.#forget(viewer));
    this.#send(viewer, this.#welcome(String(request.headers['last-event-id'] ?? '')));
    return 'in';
  }

  #forget(viewer: Viewer): void {
    if (!this.#viewers.delete(viewer)) return;
    const left = (this.#byAddress.get(viewer.address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(viewer.address);
    else this.#byAddress.set(viewer.address, left);
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    clearInterval(this.#heartbeat);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const { response } of this.#viewers) response.destroy();
    this.#viewers.clear();
  }

  /**
   * The first frame of a viewer with this last id: the difference, the advice to fetch the
   * snapshot, or no news yet.
   */
  #welcome(lastId: string): Frame {
    // A viewer may have asked before the reason was known, or may know a state.
    if (this.shown === null) return lastId === '' && this.#trouble === null ? HEARTBEAT : NOTHING_TO_SHOW;
    const since = this.#versionOfId.get(lastId);
    if (since === undefined) return this.#resyncFrame(this.shown);
    const known = this.#resumeFrames.get(since);
    if (known !== undefined) return known;
    const locations = this.#newerThan(since, this.shown.results.locations, this.#locationVersions);
    const frame =
      locations.length > RESUME_LOCATIONS_MAX
        ? this.#resyncFrame(this.shown)
        : this.#updateFrame(
            this.shown,
            this.#newerThan(since, this.shown.results.contests, this.#contestVersions),
            locations,
          );
    this.#resumeFrames.set(since, frame);
    return frame;
  }

  #newerThan<Entry>(since: number, entries: readonly Entry[], versions: Float64Array): Entry[] {
    return entries.filter((_, i) => versions[i]! > since);
  }

  /** Sends the first change at once; changes soon after it go out together with the next tick. */
  #onChange(): void {
    if (this.#isSending || this.#timer !== null) return;
    const wait_ms = this.#nextTickAt - performance.now();
    if (wait_ms <= 0) this.#tick();
    else {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#tick();
      }, wait_ms);
    }
  }

  #tick(): void {
    const startedAt = performance.now();
    const frame = this.#nextFrame();
    if (frame !== null) void this.#broadcast(frame, startedAt);
  }

  /** The frame of this tick; null where there is no news. */
  #nextFrame(): Frame | null {
    const state = this.#feed.state();
    if (state === null) return this.#newTrouble();
    return state === this.shown ? null : this.#show(state);
  }

  #show(state: DashboardState): Frame | null {
    this.#trouble = null;
    this.#nextTickAt = performance.now() + TICK_SPACING_MS;
    const before = this.shown;
    this.shown = state;
    this.#version++;
    this.#resync = null;
    this.#resumeFrames.clear();
    if (before !== null && goesOn(before, state)) {
      this.#remember(state.id);
      return this.#changesFrame(before, state);
    }
    this.#contestVersions = new Float64Array(state.results.contests.length).fill(this.#version);
    this.#locationVersions = new Float64Array(state.results.locations.length).fill(this.#version);
    this.#versionOfId.clear();
    this.#remember(state.id);
    return this.#resyncFrame(state);
  }

  /** There is nothing to show, or nothing any more: viewers fetch the reason. */
  #newTrouble(): Frame | null {
    const trouble = this.#feed.trouble();
    if (this.shown === null && trouble === this.#trouble) return null;
    this.#trouble = trouble;
    this.shown = null;
    this.#resumeFrames.clear();
    this.#versionOfId.clear();
    return NOTHING_TO_SHOW;
  }

  #remember(id: string): void {
    if (this.#versionOfId.has(id)) return;
    this.#versionOfId.set(id, this.#version);
    if (this.#versionOfId.size <= RESUME_IDS_MAX) return;
    for (const oldest of this.#versionOfId.keys()) {
      this.#versionOfId.delete(oldest);
      return;
    }
  }

  #changesFrame(before: DashboardState, state: DashboardState): Frame | null {
    const contests = this.#changed(before.results.contests, state.results.contests, this.#contestVersions);
    const locations = this.#changed(before.results.locations, state.results.locations, this.#locationVersions);
    return this.#viewers.size > 0 ? this.#updateFrame(state, contests, locations) : null;
  }

  /** Entries of `after` that are not the same object in `before`, noted as brought by this tick. */
  #changed<Entry>(before: readonly Entry[], after: readonly Entry[], versions: Float64Array): Entry[] {
    return after.filter((entry, i) => {
      if (entry === before[i]) return false;
      versions[i] = this.#version;
      return true;
    });
  }

  #updateFrame(state: DashboardState, contests: ContestResult[], locations: LocationResult[]): Frame {
    const delta = resultsDelta(state.results, { contests, locations }, state.definition.tag);
    return new Frame(`id: ${state.id}\nevent: update\ndata: ${JSON.stringify(delta)}\n\n`);
  }

  /** One for all who need it while this state is on show. */
  #resyncFrame(state: DashboardState): Frame {
    this.#resync ??= new Frame(`id: ${state.id}\nevent: resync\ndata: {"sequence":${state.results.sequence}}\n\n`);
    return this.#resync;
  }

  /** Sends the frame of a tick. The next tick follows when all viewers have it. */
  async #broadcast(frame: Frame, startedAt: number): Promise<void> {
    this.#isSending = true;
    const took_ms = performance.now() - startedAt + (await this.#sendAll(frame));
    this.#isSending = false;
    this.#nextTickAt = startedAt + Math.max(TICK_SPACING_MS, took_ms / TICK_CORE_SHARE_MAX);
    if (!this.#isClosed) this.#onChange();
  }

  /**
   * Sends a frame to all viewers of this moment, some at a time.
   * @returns the time that it took, without the other work between.
   */
  async #sendAll(frame: Frame): Promise<number> {
    const viewers = [...this.#viewers];
    let took_ms = 0;
    for (let first = 0; first < viewers.length; first += VIEWERS_PER_TURN) {
      if (first > 0) await otherWork();
      const startedAt = performance.now();
      for (const viewer of viewers.slice(first, first + VIEWERS_PER_TURN))
        if (this.#viewers.has(viewer)) this.#send(viewer, frame);
      took_ms += performance.now() - startedAt;
    }
    return took_ms;
  }

  async #beat(): Promise<void> {
    await this.#sendAll(HEARTBEAT);
    if (this.#viewers.size > 0) this.#dropStalled(await readSendQueues(), performance.now());
    const left = this.#viewersMost - this.#viewers.size;
    if (left < CROWD_MIN || left < this.#viewers.size) return;
    this.#viewersMost = this.#viewers.size;
    giveMemoryBack();
  }

  /** Drops the viewers that do not read. Their pages come back by themselves, if they live. */
  #dropStalled(queues: SendQueues, now: number): void {
    for (const viewer of this.#viewers) {
      const { response } = viewer;
      if (response.socket === null) continue;
      const waiting = waitingFor(response.socket, response.writableLength, queues);
      const taken = response.socket.bytesWritten - waiting;
      if (waiting === 0 || taken > viewer.taken) {
        viewer.taken = taken;
        viewer.takenAt = now;
      } else if (now - viewer.takenAt > this.#stalled_ms) {
        this.viewersDropped++;
        response.destroy();
      }
    }
  }

  /** Skips a slow viewer. Once its buffer is empty again, it is told to fetch the snapshot. */
  #send(viewer: Viewer, frame: Frame): void {
    const { response } = viewer;
    if (viewer.isBehind) {
      if (response.writableLength > 0 || this.shown === null) return;
      viewer.isBehind = false;
      const resync = this.#resyncFrame(this.shown);
      response.write(viewer.isPacked ? resync.packed : resync.plain);
    } else if (response.writableLength > VIEWER_BUFFER_BYTES_MAX) {
      viewer.isBehind = true;
      this.framesSkipped++;
    } else response.write(viewer.isPacked ? frame.packed : frame.plain);
  }
}
