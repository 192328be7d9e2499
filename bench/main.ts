/**
 * `npm run bench -- NAME [options]`: one file for each figure. Each prints JSON lines: name,
 * figures, conditions.
 */
const BENCHES: Record<string, () => Promise<{ bench(argv: readonly string[]): Promise<void> }>> = {
  throughput: () => import('./throughput.ts'),
  latency: () => import('./latency.ts'),
  viewers: () => import('./viewers.ts'),
  restart: () => import('./restart.ts'),
  cluster: () => import('./cluster.ts'),
  'spark-alone': () => import('./spark-alone.ts'),
};

const [name = '', ...argv] = process.argv.slice(2);
const load = BENCHES[name];
if (load === undefined) {
  process.stderr.write(
    `Error: there is no benchmark "${name}"\nNext:  npm run bench -- ${Object.keys(BENCHES).join(' | ')}\n`,
  );
  process.exitCode = 2;
} else await (await load()).bench(argv);
