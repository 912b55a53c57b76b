"""A session through the client that openapi-python-client generates: `session.py URL`."""

import datetime
import sys

from marquee_client import AuthenticatedClient, Client
from marquee_client.api.auth import register_user
from marquee_client.api.favorites import add_favorite
from marquee_client.api.movies import create_movie, delete_movie, get_movie, search_movies
from marquee_client.api.users import list_my_favorites
from marquee_client.models import (
    CollectionMovie,
    Favorite,
    Movie,
    NewMovie,
    NewUser,
    Problem,
    SearchPage,
    SignedIn,
)


def main(url: str) -> None:
    # Register.
    password = "the Python client's passphrase"
    user = NewUser(username="python", email="python@example.com", password=password)
    signed_in = register_user.sync(client=Client(base_url=url), body=user)
    assert isinstance(signed_in, SignedIn), signed_in
    assert signed_in.user.username == "python"
    assert signed_in.user.role == "member"
    caller = AuthenticatedClient(base_url=url, token=signed_in.access)

    # Add a movie, so that there is one to find.
    fields = NewMovie(
        title="The Python Session",
        description="A generated client registers, searches and adds to favorites.",
        release_date=datetime.date(2024, 2, 29),
        director="Ada Client",
        genre="Documentary",
    )
    movie = create_movie.sync(client=caller, body=fields)
    assert isinstance(movie, Movie), movie
    assert movie.user == signed_in.user.id
    assert movie.release_date == fields.release_date
    assert movie.imdb_id is None
    assert movie.cover_image is None

    # Search.
    found = search_movies.sync(client=caller, q="python session", limit=5)
    assert isinstance(found, SearchPage), found
    assert (found.count, found.next_, found.corrected_query) == (None, None, None)
    assert [(one.id, one.favorite) for one in found.results] == [(movie.id, False)]

    # Add to favorites.
    favorite = add_favorite.sync(movie.id, client=caller)
    assert isinstance(favorite, Favorite), favorite
    assert (favorite.favorite, favorite.favorite_count) == (True, 1)
    favorites = list_my_favorites.sync(client=caller)
    assert isinstance(favorites, CollectionMovie), favorites
    assert [one.title for one in favorites.results] == [fields.title]

    # Errors are problem documents, typed.
    fields.title = ""
    invalid = create_movie.sync_detailed(client=caller, body=fields)
    assert invalid.status_code == 400
    problem = invalid.parsed
    assert isinstance(problem, Problem), problem
    assert problem.code == "invalid_input"
    assert problem.errors and list(problem.errors.additional_properties) == ["title"], problem
    refused = delete_movie.sync(movie.id, client=AuthenticatedClient(base_url=url, token="no token"))
    assert isinstance(refused, Problem) and refused.code == "unauthenticated", refused
    assert delete_movie.sync_detailed(movie.id, client=caller).status_code == 204
    missing = get_movie.sync_detailed(movie.id, client=caller)
    assert isinstance(missing.parsed, Problem) and missing.parsed.code == "not_found", missing
    assert missing.parsed.request_id == missing.headers["x-request-id"]


main(sys.argv[1])
