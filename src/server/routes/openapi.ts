import { jsonBody, REVALIDATE } from '../answer.ts';
import type { Route } from './route.ts';

/** The description of a table of routes that this route itself belongs to. */
export const openApiRoute = (routes: () => readonly Route[]): Route => ({
  path: '/api/openapi.json',
  summary: 'This description.',
  type: 'application/json',
  answer: () => ({ status: 200, body: jsonBody(describe(routes())), headers: REVALIDATE }),
});

/** OpenAPI 3.1, made from the table, so it cannot lack a route. */
function describe(routes: readonly Route[]): unknown {
  const paths = routes.map(({ path, summary, type, parameters = [] }) => [
    path,
    {
      get: {
        summary,
        parameters: parameters.map((parameter) => ({
          ...parameter,
          required: parameter.in === 'query',
          schema: { type: 'string' },
        })),
        responses: { 200: { description: summary, content: { [type]: {} } } },
      },
    },
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tallyroom',
      version: '1',
      description: 'Public, read-only results of an election as they are counted.',
    },
    paths: Object.fromEntries(paths),
  };
}
