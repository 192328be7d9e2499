/**
 * Several processes of `vote` on a real PostgreSQL and a real Kafka. `npm run test:stack` starts
 * and names both.
 */
import { describeSharing } from '../support/sharing.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { openStackElection } from '../support/stack-election.ts';

describeSharing('PostgreSQL and Kafka', NEEDS_STACK, async (context) => openStackElection(context));
