// What a front end needs to call the task service with Better Auth: the three lines are marked.
let token;

export async function call(tasks, path, options = {}) {
  token ??= (await (await fetch("/api/auth/token")).json()).token; // 1. the JWT; the session's token will not do
  const headers = { ...options.headers, Authorization: `Bearer ${token}` }; // 2. on every request
  const response = await fetch(tasks + path, { ...options, headers });
  if (response.status !== 401) return response;
  token = undefined; // 3. it lives for 15 minutes: the next call fetches another
  return options.again ? response : call(tasks, path, { ...options, again: true });
}
