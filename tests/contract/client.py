"""A round trip with the package that openapi-python-client makes of the contract: `python client.py
URL TOKEN`.
"""

# The package is made by the test that runs this file.
# mypy: disable-error-code="import-not-found,no-untyped-call"

import sys
from http import HTTPStatus

from tasks_client import AuthenticatedClient
from tasks_client.api.tasks import (
    batch_tasks,
    complete_task,
    create_task,
    delete_task,
    get_task,
    list_tasks,
    patch_task,
)
from tasks_client.api.trash import restore_task
from tasks_client.models import (
    Batch,
    BatchResults,
    CreateOperation,
    DeleteOperation,
    InvalidDetails,
    NewTask,
    PatchOperation,
    Task,
    TaskPage,
    TaskPatch,
)


def main(url: str, token: str) -> None:
    """Create, page, change, delete, alone and in a batch; and be refused."""
    client = AuthenticatedClient(base_url=url, token=token)
    made = [
        create_task.sync("percy", client=client, body=NewTask(title=title))
        for title in ("one", "two", "three")
    ]
    assert all(isinstance(task, Task) for task in made)
    seen: list[object] = []
    cursor: dict[str, str] = {}
    while True:
        page = list_tasks.sync("percy", client=client, limit=2, **cursor)
        assert isinstance(page, TaskPage)
        seen += page.items
        if page.next_ is None:
            break
        cursor = {"cursor": page.next_}
    assert seen == made[::-1]
    changed = patch_task.sync("percy", made[0].id, client=client, body=TaskPatch(completed=True))
    assert changed.completed
    assert get_task.sync("percy", made[0].id, client=client) == changed
    refused = create_task.sync_detailed("percy", client=client, body=NewTask(title=" "))
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert isinstance(refused.parsed, InvalidDetails)
    assert refused.parsed.errors[0].pointer == "/title"
    create = CreateOperation(op="create", task=NewTask(title="four"))
    patch = PatchOperation(
        op="patch", id=made[0].id, if_match=changed.version, patch=TaskPatch(description="1")
    )
    delete = DeleteOperation(op="delete", id=made[1].id)
    batch = batch_tasks.sync("percy", client=client, body=Batch(operations=[create, patch, delete]))
    assert isinstance(batch, BatchResults)
    assert [result.status for result in batch.results] == [201, 200, 204]
    assert batch.results[1].task == get_task.sync("percy", made[0].id, client=client)
    failed = batch_tasks.sync_detailed(
        "percy", client=client, body=Batch(operations=[create, delete])
    )
    assert failed.status_code == HTTPStatus.NOT_FOUND
    assert failed.parsed.pointer == "/operations/1"
    assert (
        delete_task.sync_detailed("percy", made[0].id, client=client).status_code
        == HTTPStatus.NO_CONTENT
    )
    assert (
        get_task.sync_detailed("percy", made[0].id, client=client).status_code
        == HTTPStatus.NOT_FOUND
    )
    restored = restore_task.sync("percy", made[0].id, client=client)
    assert isinstance(restored, Task)
    assert restored.title == "one"
    new = NewTask(
        "Pay the rent",
        due_date="2026-01-31",
        tags=["home"],
        recurrence="FREQ=MONTHLY;BYMONTHDAY=-1",
    )
    rent = create_task.sync("percy", client=client, body=new)
    assert isinstance(rent, Task)
    found = list_tasks.sync("percy", client=client, tag="home", due_before="2026-02-01")
    assert isinstance(found, TaskPage)
    assert found.items == [rent]
    done = complete_task.sync_detailed("percy", rent.id, client=client)
    assert 'rel="successor"' in done.headers["Link"]
    print("round trip done")  # noqa: T201 - to the test


main(*sys.argv[1:])
