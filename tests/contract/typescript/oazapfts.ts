// A round trip with the client that oazapfts makes of the contract with its defaults.
import assert from "node:assert/strict";
import {
  batchTasks,
  completeTask,
  createTask,
  defaults,
  deleteTask,
  getTask,
  listTasks,
  patchTask,
  restoreTask,
  type Task,
} from "./oazapfts-client";

async function main(baseUrl: string, token: string): Promise<void> {
  defaults.baseUrl = baseUrl;
  defaults.headers = { Authorization: `Bearer ${token}` };
  const made: Task[] = [];
  for (const title of ["one", "two", "three"]) {
    const answer = await createTask("ozzy", { title });
    assert(answer.status === 201);
    made.unshift(answer.data);
  }
  const seen: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await listTasks("ozzy", { limit: 2, cursor });
    assert(page.status === 200);
    seen.push(...page.data.items);
    cursor = page.data.next ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen, made);

  const id = made[0]!.id;
  const changed = await patchTask("ozzy", id, { completed: true }, { ifMatch: '"1"' });
  assert(changed.status === 200 && changed.data.completed);
  const refused = await createTask("ozzy", { title: " " });
  assert(refused.status === 422 && "errors" in refused.data);
  assert.equal(refused.data.errors[0]?.pointer, "/title");
  const batch = await batchTasks("ozzy", {
    operations: [
      { op: "create", task: { title: "four" } },
      { op: "patch", id, if_match: changed.data.version, patch: { priority: "high" } },
      { op: "delete", id: made[1]!.id },
    ],
  });
  assert(batch.status === 200);
  assert.deepEqual(batch.data.results.map(({ status }) => status), [201, 200, 204]);
  assert.equal(batch.data.results[1]?.task?.priority, "high");
  const failed = await batchTasks("ozzy", { operations: [{ op: "complete", id: made[1]!.id }] });
  assert(failed.status === 404 && failed.data.pointer === "/operations/0");
  assert.equal((await deleteTask("ozzy", id)).status, 204);
  assert.equal((await getTask("ozzy", id)).status, 404);
  const restored = await restoreTask("ozzy", id);
  assert(restored.status === 200 && restored.data.title === "three");

  const body = { title: "Pay the rent", due_date: "2026-01-31", tags: ["home"], recurrence: "FREQ=MONTHLY" };
  const rent = await createTask("ozzy", body);
  assert(rent.status === 201);
  const found = await listTasks("ozzy", { tag: "home", dueBefore: "2026-02-01", sort: "due_date" });
  assert(found.status === 200);
  assert.deepEqual(found.data.items, [rent.data]);
  const done = await completeTask("ozzy", rent.data.id);
  assert(done.status === 200 && done.data.completed_at);
  console.log("round trip done");
}

void main(process.argv[2]!, process.argv[3]!);
