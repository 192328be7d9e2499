import { definition } from '../live/store.ts';

/** A candidate's picture. Its address names the definition, so that it can be kept for ever. */
export function Photo({ id, contest, size }: { id: string; contest: string; size: number }) {
  const address = new URLSearchParams({ contest, candidate: id, v: definition.value.slice(0, 12) });
  return <img class="photo" src={`./api/photo?${address}`} alt="" width={size} height={size} />;
}
