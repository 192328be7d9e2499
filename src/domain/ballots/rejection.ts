/** Why a cast vote was refused, as `rejections` names it. */
export type RejectionReason =
  | 'malformed'
  | 'unknown-voter'
  | 'wrong-location'
  | 'already-voted'
  | 'unknown-location'
  | 'unknown-contest'
  | 'contest-not-on-ballot'
  | 'unknown-candidate'
  | 'repeated-candidate';
