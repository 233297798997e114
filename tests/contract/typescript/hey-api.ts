// A round trip with the client that @hey-api/openapi-ts makes of the contract with its defaults.
import assert from "node:assert/strict";
import {
  batchTasks,
  completeTask,
  createTask,
  deleteTask,
  getTask,
  listTasks,
  patchTask,
  restoreTask,
  type Task,
} from "./hey-api-client";
import { client } from "./hey-api-client/client.gen";

async function main(baseUrl: string, token: string): Promise<void> {
  client.setConfig({ baseUrl, auth: () => token });
  const mine = { user_id: "heyda" };
  const made: Task[] = [];
  for (const title of ["one", "two", "three"]) {
    const { data } = await createTask({ path: mine, body: { title }, throwOnError: true });
    made.unshift(data);
  }
  const seen: Task[] = [];
  let cursor: string | undefined;
  do {
    const { data } = await listTasks({ path: mine, query: { limit: 2, cursor }, throwOnError: true });
    seen.push(...data.items);
    cursor = data.next ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen, made);

  const path = { ...mine, task_id: made[0]!.id };
  const changed = await patchTask({ path, body: { completed: true }, headers: { "If-Match": '"1"' } });
  assert.equal(changed.data?.completed, true);
  const refused = await createTask({ path: mine, body: { title: " " } });
  assert(refused.error && "errors" in refused.error);
  assert.equal(refused.error.errors[0]?.pointer, "/title");
  const batch = await batchTasks({
    path: mine,
    body: {
      operations: [
        { op: "create", task: { title: "four" } },
        { op: "patch", id: path.task_id, if_match: changed.data.version, patch: { priority: "high" } },
        { op: "delete", id: made[1]!.id },
      ],
    },
    throwOnError: true,
  });
  assert.deepEqual(batch.data.results.map(({ status }) => status), [201, 200, 204]);
  assert.equal(batch.data.results[1]?.task?.priority, "high");
  const failed = await batchTasks({ path: mine, body: { operations: [{ op: "complete", id: made[1]!.id }] } });
  assert.equal(failed.error?.pointer, "/operations/0");
  assert.equal((await deleteTask({ path })).response.status, 204);
  assert.equal((await getTask({ path })).response.status, 404);
  assert.equal((await restoreTask({ path })).data?.title, "three");

  const body = { title: "Pay the rent", due_date: "2026-01-31", tags: ["home"], recurrence: "FREQ=MONTHLY" };
  const { data: rent } = await createTask({ path: mine, body, throwOnError: true });
  const query = { tag: "home", due_before: "2026-02-01", sort: "due_date" } as const;
  assert.deepEqual((await listTasks({ path: mine, query, throwOnError: true })).data.items, [rent]);
  const done = await completeTask({ path: { ...mine, task_id: rent.id } });
  assert(done.data?.completed_at && done.response.headers.get("Link"));
  console.log("round trip done");
}

void main(process.argv[2]!, process.argv[3]!);
