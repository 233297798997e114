"""The first peer: FastAPI and SQLModel on asyncpg, as their documentation teaches."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from common import DATABASE_URL, ORIGINS, POOL_SIZE, CurrentSession, Owner, Session
from fastapi import Depends, FastAPI, HTTPException, Query, Response, status
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Column, DateTime, Field, SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine(
    DATABASE_URL.replace("postgresql://", "postgresql+asyncpg://", 1),
    pool_size=POOL_SIZE,
    max_overflow=0,
)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


class TaskBase(SQLModel):
    """The members of a task that clients set."""

    title: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=2000)
    completed: bool = False


class Task(TaskBase, table=True):
    """A row of the table."""

    __tablename__ = "tasks"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: str = Field(index=True)
    created_at: datetime = Field(
        default_factory=now, sa_column=Column(DateTime(timezone=True), nullable=False)
    )
    updated_at: datetime = Field(
        default_factory=now, sa_column=Column(DateTime(timezone=True), nullable=False, onupdate=now)
    )


class TaskCreate(TaskBase):
    """A new task."""


class TaskUpdate(SQLModel):
    """A change of a task."""

    title: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=2000)
    completed: bool | None = None


class TaskPublic(TaskBase):
    """A task in answers."""

    id: UUID
    owner_id: str
    created_at: datetime
    updated_at: datetime


class TaskPage(SQLModel):
    """One page of tasks."""

    items: list[TaskPublic]
    total: int
    limit: int
    offset: int


async def get_database() -> AsyncIterator[AsyncSession]:
    """Open a session for the request."""
    async with new_session() as session:
        yield session


Database = Annotated[AsyncSession, Depends(get_database)]

app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=ORIGINS,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


async def find(database: AsyncSession, owner: str, task_id: UUID) -> Task:
    """Return the owner's task, or raise 404."""
    found = await database.exec(select(Task).where(Task.owner_id == owner, Task.id == task_id))
    task = found.first()
    if task is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Not found")
    return task


@app.get("/api/v1/users/{user_id}/tasks", response_model=TaskPage)
async def list_tasks(
    owner: Owner,
    database: Database,
    completed: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> object:
    """Return one page, newest first."""
    wanted = [Task.owner_id == owner]
    if completed is not None:
        wanted.append(Task.completed == completed)
    total = (await database.exec(select(func.count()).select_from(Task).where(*wanted))).one()
    order = (col(Task.created_at).desc(), col(Task.id).desc())
    items = (
        await database.exec(
            select(Task).where(*wanted).order_by(*order).offset(offset).limit(limit)
        )
    ).all()
    return {"items": items, "total": total, "limit": limit, "offset": offset}


@app.post(
    "/api/v1/users/{user_id}/tasks", response_model=TaskPublic, status_code=status.HTTP_201_CREATED
)
async def create_task(
    owner: Owner, database: Database, new: TaskCreate, response: Response
) -> object:
    """Create a task."""
    task = Task.model_validate(new, update={"owner_id": owner})
    database.add(task)
    await database.commit()
    await database.refresh(task)
    response.headers["Location"] = f"/api/v1/users/{owner}/tasks/{task.id}"
    return task


@app.get("/api/v1/users/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def get_task(owner: Owner, database: Database, task_id: UUID) -> object:
    """Return one task."""
    return await find(database, owner, task_id)


@app.patch("/api/v1/users/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def patch_task(owner: Owner, database: Database, task_id: UUID, patch: TaskUpdate) -> object:
    """Change the members that are sent."""
    task = await find(database, owner, task_id)
    task.sqlmodel_update(patch.model_dump(exclude_unset=True))
    database.add(task)
    await database.commit()
    await database.refresh(task)
    return task


@app.delete("/api/v1/users/{user_id}/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_task(owner: Owner, database: Database, task_id: UUID) -> None:
    """Delete a task."""
    await database.delete(await find(database, owner, task_id))
    await database.commit()


@app.get("/api/v1/auth/session", response_model=Session)
async def get_session(session: CurrentSession) -> Session:
    """Return the token's user."""
    return session


@app.get("/health")
async def get_health() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "healthy"}
