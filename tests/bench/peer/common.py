"""What both peers share: settings and authentication."""

import os
from typing import Annotated, Literal

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

DATABASE_URL = os.environ["DATABASE_URL"]
SECRET = os.environ["JWT_SECRET"]
POOL_SIZE = int(os.environ["POOL_SIZE"])
ORIGINS = ["http://localhost:3000"]

bearer = HTTPBearer(auto_error=False)


class Session(BaseModel):
    """The token's user."""

    user_id: str
    email: str | None = None
    authenticated: Literal[True] = True


async def get_current_session(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Session:
    """Check the token, in a coroutine: FastAPI would run a plain function in a thread."""
    challenge = {"WWW-Authenticate": "Bearer"}
    if credentials is None:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Not authenticated", challenge)
    try:
        claims = jwt.decode(
            credentials.credentials,
            SECRET,
            algorithms=["HS256"],
            options={"require": ["exp", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Token has expired", challenge) from None
    except jwt.InvalidTokenError:
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, "Invalid credentials", challenge
        ) from None
    return Session(user_id=claims["sub"], email=claims.get("email"))


CurrentSession = Annotated[Session, Depends(get_current_session)]


async def get_owner(user_id: str, session: CurrentSession) -> str:
    """Return the caller, who must be the path's user."""
    if session.user_id != user_id:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Not found")
    return session.user_id


Owner = Annotated[str, Depends(get_owner)]
