/** Several processes of `vote` on one data directory. */
import { describeSharing } from '../support/sharing.ts';
import { openWorkspace, urlOf } from '../support/workspace.ts';

describeSharing('one data directory', false, async (context) => {
  const workspace = openWorkspace(context);
  return { databaseUrl: urlOf(await workspace.server()), start: workspace.start, connect: workspace.connect };
});
