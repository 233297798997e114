// Better Auth and a page that uses the task service: `npm ci`, then `node server.mjs`. PORT is where it listens, TASKS where the
// task service does. Users and keys are kept in memory.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";

const tasks = process.env.TASKS ?? "http://127.0.0.1:8000";
const database = { user: [], session: [], account: [], verification: [], jwks: [] };

const server = createServer();
server.listen(process.env.PORT ?? 3000, "localhost", () => {
  const url = `http://localhost:${server.address().port}`;
  const auth = betterAuth({
    baseURL: url,
    secret: process.env.BETTER_AUTH_SECRET ?? randomBytes(32).toString("hex"),
    database: memoryAdapter(database),
    emailAndPassword: { enabled: true },
    plugins: [jwt()], // signs with EdDSA; ES256 and RS256 will do, too
    telemetry: { enabled: false },
  });
  const answer = toNodeHandler(auth);
  server.on("request", async (request, response) => {
    if (request.url.startsWith("/api/auth/")) return answer(request, response);
    const name = { "/": "page.html", "/tasks.js": "tasks.js" }[request.url];
    if (!name) return response.writeHead(404).end();
    const text = await readFile(new URL(name, import.meta.url), "utf8");
    const type = name.endsWith(".js") ? "text/javascript" : "text/html; charset=utf-8";
    response.writeHead(200, { "Content-Type": type }).end(text.replace("{tasks}", tasks));
  });
  console.log(url);
});

// As `rotationInterval` does when a key's time is over: the next token is signed with a new one.
process.on("SIGUSR2", () => {
  for (const key of database.jwks) key.expiresAt = new Date();
  console.log("rotated");
});
