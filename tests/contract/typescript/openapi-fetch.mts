// A round trip with the types that openapi-typescript makes of the contract: it compiles, and what comes back is what they say.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

type Task = components["schemas"]["Task"];

const [baseUrl, token] = process.argv.slice(2);
assert(baseUrl && token);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const list = "/api/v1/users/{user_id}/tasks";
const many = "/api/v1/users/{user_id}/tasks/batch";
const one = "/api/v1/users/{user_id}/tasks/{task_id}";
const mine = { user_id: "tess" };

const made: Task[] = [];
for (const title of ["one", "two", "three"]) {
  const { data, response } = await client.POST(list, { params: { path: mine }, body: { title } });
  assert.equal(response.status, 201);
  assert(data);
  made.unshift(data);
}

const seen: Task[] = [];
let cursor: string | null = null;
do {
  const query: { limit: number; cursor?: string } = cursor === null ? { limit: 2 } : { limit: 2, cursor };
  const page: components["schemas"]["TaskPage"] | undefined = (await client.GET(list, { params: { path: mine, query } })).data;
  assert(page);
  seen.push(...page.items);
  cursor = page.next;
} while (cursor !== null);
assert.deepEqual(seen, made);

const first = made[0];
assert(first);
const path = { ...mine, task_id: first.id };
const changed = await client.PATCH(one, { params: { path }, body: { completed: true } });
assert(changed.data?.completed);
assert.equal((await client.GET(one, { params: { path } })).data?.completed, true);

const refused = await client.POST(list, { params: { path: mine }, body: { title: " " } });
assert.equal(refused.response.status, 422);
assert(refused.error && "errors" in refused.error);
assert.equal(refused.error.errors[0]?.pointer, "/title");

const operations: components["schemas"]["Batch"]["operations"] = [
  { op: "create", task: { title: "four" } },
  { op: "patch", id: first.id, if_match: changed.data.version, patch: { priority: "high" } },
  { op: "delete", id: made[1]!.id },
];
const batch = await client.POST(many, { params: { path: mine }, body: { operations } });
assert.deepEqual(batch.data?.results.map(({ status }) => status), [201, 200, 204]);
assert.equal(batch.data?.results[1]?.task?.priority, "high");
const failed = await client.POST(many, { params: { path: mine }, body: { operations: [{ op: "complete", id: made[1]!.id }] } });
assert.equal(failed.error?.pointer, "/operations/0");

assert.equal((await client.DELETE(one, { params: { path } })).response.status, 204);
assert.equal((await client.GET(one, { params: { path } })).response.status, 404);
const trash = "/api/v1/users/{user_id}/trash/{task_id}/restore";
assert.equal((await client.POST(trash, { params: { path } })).data?.title, "three");

// due and tagged, found, completed with a successor
const rent = await client.POST(list, {
  params: { path: mine },
  body: { title: "Pay the rent", due_date: "2026-01-31", tags: ["home"], recurrence: "FREQ=MONTHLY;BYMONTHDAY=-1" },
});
assert(rent.data);
const query = { tag: "home", due_before: "2026-02-01", sort: "due_date" } as const;
const found = await client.GET(list, { params: { path: mine, query } });
assert.deepEqual(found.data?.items, [rent.data]);
const complete = "/api/v1/users/{user_id}/tasks/{task_id}/complete";
const done = await client.POST(complete, { params: { path: { ...mine, task_id: rent.data.id } } });
assert(done.data?.completed_at);
const successor = /<(.*)>; rel="successor"/.exec(done.response.headers.get("Link") ?? "")?.[1]?.split("/").pop();
assert(successor);
const next = await client.GET(one, { params: { path: { ...mine, task_id: successor } } });
assert.equal(next.data?.due_date, "2026-02-28");
console.log("round trip done");
