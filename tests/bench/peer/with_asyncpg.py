"""The second peer: FastAPI on an asyncpg pool, without an ORM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from common import DATABASE_URL, ORIGINS, POOL_SIZE, CurrentSession, Owner, Session
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, status
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field

COLUMNS = "id, owner_id, title, description, completed, created_at, updated_at"


class TaskCreate(BaseModel):
    """A new task."""

    title: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=2000)
    completed: bool = False


class TaskUpdate(BaseModel):
    """A change of a task."""

    title: str = Field(default="", min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=2000)
    completed: bool = False


class TaskPublic(BaseModel):
    """A task in answers."""

    id: UUID
    owner_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime


class TaskPage(BaseModel):
    """One page of tasks."""

    items: list[TaskPublic]
    total: int
    limit: int
    offset: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool for the life of the process."""
    async with asyncpg.create_pool(DATABASE_URL, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        app.state.pool = pool
        yield


async def get_pool(request: Request) -> asyncpg.Pool:
    """Return the pool, in a coroutine: FastAPI would run a plain function in a thread."""
    return request.app.state.pool


Database = Annotated[asyncpg.Pool, Depends(get_pool)]

app = FastAPI(lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=ORIGINS,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


def found(row: asyncpg.Record | None) -> dict[str, object]:
    """Return the row, or raise 404."""
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Not found")
    return dict(row)


@app.get("/api/v1/users/{user_id}/tasks", response_model=TaskPage)
async def list_tasks(
    owner: Owner,
    database: Database,
    completed: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> object:
    """Return one page, newest first."""
    wanted = "owner_id = $1 AND ($2::boolean IS NULL OR completed = $2)"
    page = (
        f"SELECT {COLUMNS} FROM tasks WHERE {wanted} ORDER BY created_at DESC, id DESC LIMIT $3"
        " OFFSET $4"
    )
    async with database.acquire() as connection:
        total = await connection.fetchval(
            f"SELECT count(*) FROM tasks WHERE {wanted}", owner, completed
        )
        rows = await connection.fetch(page, owner, completed, limit, offset)
    return {"items": [dict(row) for row in rows], "total": total, "limit": limit, "offset": offset}


@app.post(
    "/api/v1/users/{user_id}/tasks", response_model=TaskPublic, status_code=status.HTTP_201_CREATED
)
async def create_task(
    owner: Owner, database: Database, new: TaskCreate, response: Response
) -> object:
    """Create a task."""
    row = await database.fetchrow(
        "INSERT INTO tasks (id, owner_id, title, description, completed) VALUES ($1, $2, $3, $4,"
        f" $5) RETURNING {COLUMNS}",
        uuid4(),
        owner,
        new.title,
        new.description,
        new.completed,
    )
    task = found(row)
    response.headers["Location"] = f"/api/v1/users/{owner}/tasks/{task['id']}"
    return task


@app.get("/api/v1/users/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def get_task(owner: Owner, database: Database, task_id: UUID) -> object:
    """Return one task."""
    return found(
        await database.fetchrow(
            f"SELECT {COLUMNS} FROM tasks WHERE owner_id = $1 AND id = $2", owner, task_id
        )
    )


@app.patch("/api/v1/users/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def patch_task(owner: Owner, database: Database, task_id: UUID, patch: TaskUpdate) -> object:
    """Change the members that are sent."""
    changes = patch.model_dump(exclude_unset=True)
    places = "".join(f"{name} = ${number}, " for number, name in enumerate(changes, start=3))
    row = await database.fetchrow(
        f"UPDATE tasks SET {places}updated_at = now() WHERE owner_id = $1 AND id = $2 RETURNING"
        f" {COLUMNS}",
        owner,
        task_id,
        *changes.values(),
    )
    return found(row)


@app.delete("/api/v1/users/{user_id}/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_task(owner: Owner, database: Database, task_id: UUID) -> None:
    """Delete a task."""
    found(
        await database.fetchrow(
            "DELETE FROM tasks WHERE owner_id = $1 AND id = $2 RETURNING id", owner, task_id
        )
    )


@app.get("/api/v1/auth/session", response_model=Session)
async def get_session(session: CurrentSession) -> Session:
    """Return the token's user."""
    return session


@app.get("/health")
async def get_health() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "healthy"}
