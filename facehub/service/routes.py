"""The endpoints. Names of people are sent in bodies, never in URLs, which proxies log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, Security

from facehub._version import __version__
from facehub.detect.base import Search
from facehub.enrolment import Enrolment, Portrait, add_enrolments
from facehub.gallery.base import Gallery, clean_name
from facehub.identification import check_gallery, identify
from facehub.results import EmbeddedFace, rounded
from facehub.select import FacePolicy
from facehub.service import schemas
from facehub.service.access import Service, authorize, service_of
from facehub.service.documents import errors, form_body, json_body, picture_body
from facehub.service.errors import ForbiddenError
from facehub.service.keys import Key, Scope
from facehub.verification import PairPolicy, verify

EMBED = "/v1/embed"
MAX_PAGE = 1000
PICTURE_ERRORS = (400, 408, 413, 415, 422)

router = APIRouter()
Parts = Annotated[Service, Depends(service_of)]
Reader = Annotated[Key, Security(authorize, scopes=[Scope.READ.value])]
Enroller = Annotated[Key, Security(authorize, scopes=[Scope.ENROL.value])]
Admin = Annotated[Key, Security(authorize, scopes=[Scope.ADMIN.value])]


@router.get("/healthz", operation_id="health")
async def health() -> schemas.Health:
    """Say that the service runs; needs no key."""
    return schemas.Health(status="ok", version=__version__)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors()},
    dependencies=[Security(authorize, scopes=[Scope.METRICS.value])],
)
async def metrics(service: Parts) -> Response:
    """Counts and times for Prometheus."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


@router.post(
    "/v1/verify",
    operation_id="verify",
    response_model=schemas.Verification,
    responses=errors(*PICTURE_ERRORS),
    openapi_extra=form_body("first", "second"),
)
async def on_verify(
    request: Request, service: Parts, _: Reader, policy: PairPolicy = "exactly_one"
) -> Any:
    """Say whether two pictures show the same person.

    Where a picture shows several faces, the policy `exactly_one` cannot tell, `largest` compares
    the largest face, `best_pair` the most similar pair; `first` and `second` say which.
    """
    with service.gate.enter() as visit:
        form = await service.body(request, visit).form("first", "second")

        def work() -> dict[str, Any]:
            pair = form.files["first"], form.files["second"]
            return verify(
                *pair,
                policy=policy,
                reject_issues=service.settings.reject,
                recognizer=service.recognizer.timed(),
            ).to_dict()

        return await service.gate.run(work)


@router.post(
    EMBED,
    operation_id="embed",
    response_model=schemas.Embeddings,
    responses=errors(*PICTURE_ERRORS),
    openapi_extra=picture_body(),
)
async def on_embed(
    request: Request,
    service: Parts,
    _: Annotated[Key, Security(authorize, scopes=[Scope.EMBED.value])],
    search: Search = "auto",
) -> Any:
    """Embed every face of a picture, if the host allows it."""
    if not service.settings.allow_embed:
        raise ForbiddenError("This service gives no embeddings.")
    with service.gate.enter() as visit:
        picture = await service.body(request, visit).picture()

        def work() -> dict[str, Any]:
            faces = service.recognizer.timed().faces(picture, search=search)
            return {
                "fingerprint": service.recognizer.fingerprint,
                "faces": [{**f.to_dict(), "embedding": f.embedding.tolist()} for f in faces],
            }

        return await service.gate.run(work)


@router.post(
    "/v1/galleries/{gallery}/search",
    operation_id="identify",
    response_model=schemas.Identification,
    responses=errors(404, *PICTURE_ERRORS),
    openapi_extra=picture_body(),
)
async def on_identify(
    request: Request,
    service: Parts,
    key: Reader,
    gallery: str,
    top_k: Annotated[int, Query(ge=1, le=100)] = 5,
) -> Any:
    """Say who of a gallery is in a picture: every face, with `top_k` candidates at most."""
    people = service.gallery(gallery, key)
    with service.gate.enter() as visit:
        picture = await service.body(request, visit).picture()

        def work() -> dict[str, Any]:
            recognizer = service.recognizer.timed()
            limit = recognizer.spec.threshold_for(people.n_templates)
            faces = identify(picture, people, threshold=limit, top_k=top_k, recognizer=recognizer)
            return {
                "threshold": rounded(limit),
                "exact": people.exact,
                "faces": [face.to_dict() for face in faces],
            }

        return await service.gate.run(work)


@router.get(
    "/v1/galleries/{gallery}/people", operation_id="list_people", responses=errors(404, 422)
)
async def on_list(
    service: Parts,
    key: Reader,
    gallery: str,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> schemas.People:
    """List people in the order of enrolment."""
    people = service.gallery(gallery, key)

    def work() -> schemas.People:
        page = people.people(offset, limit)
        persons = [schemas.Person(name=name, templates=count) for name, count in page.items()]
        return schemas.People(total=len(people), offset=offset, people=persons)

    with service.gate.enter():
        return await service.gate.run(work)


@router.post(
    "/v1/galleries/{gallery}/people",
    operation_id="enrol",
    status_code=201,
    response_model=schemas.Enrolment,
    responses={
        200: {"model": schemas.Enrolment, "description": "The person had this photo already"},
        **errors(404, *PICTURE_ERRORS),
    },
    openapi_extra=form_body("picture", texts=("name", "source"), optional="source"),
)
async def on_enrol(
    request: Request,
    response: Response,
    service: Parts,
    key: Enroller,
    gallery: str,
    policy: FacePolicy = "exactly_one",
) -> Any:
    """Enrol a person from a picture; only its template is kept."""
    people = service.gallery(gallery, key)
    with service.gate.enter() as visit:
        form = await service.body(request, visit).form("picture", texts=("name", "source"))
        name, source = clean_name(form.texts.get("name", "")), form.texts.get("source", "")

        def work() -> dict[str, Any]:
            check_gallery(people, service.recognizer)
            face = service.recognizer.timed().face(form.files["picture"], policy=policy)
            (done,) = add_enrolments(
                people,
                [Enrolment(Portrait(name, b"", source), face)],
                reject_issues=service.settings.reject,
            )
            if done.error is not None:
                raise done.error
            return {
                "name": name,
                "digest": _digest(people, name, face),
                "added": done.added,
                "face": face.to_dict(),
            }

        answer = await service.gate.run(work)
    response.status_code = 201 if answer["added"] else 200
    return answer


@router.post(
    "/v1/galleries/{gallery}/people/rename",
    operation_id="rename_person",
    responses=errors(404, 408, 409, 413, 415, 422),
    openapi_extra=json_body(schemas.Rename),
)
async def on_rename(request: Request, service: Parts, key: Admin, gallery: str) -> schemas.Person:
    """Rename a person, who keeps their place."""
    people = service.gallery(gallery, key)
    with service.gate.enter() as visit:
        change = await service.body(request, visit).json(schemas.Rename)

        def work() -> schemas.Person:
            people.rename(change.name, change.new_name)
            name = clean_name(change.new_name)
            return schemas.Person(name=name, templates=len(people.examples(name)))

        return await service.gate.run(work)


@router.post(
    "/v1/galleries/{gallery}/people/remove",
    operation_id="remove_person",
    status_code=204,
    responses=errors(404, 408, 413, 415, 422),
    openapi_extra=json_body(schemas.Remove),
)
async def on_remove(request: Request, service: Parts, key: Admin, gallery: str) -> None:
    """Remove a person, or one of their examples."""
    people = service.gallery(gallery, key)
    with service.gate.enter() as visit:
        gone = await service.body(request, visit).json(schemas.Remove)
        await service.gate.run(lambda: people.remove(gone.name, gone.digest))


def _digest(gallery: Gallery, name: str, face: EmbeddedFace) -> str:
    """Digest of the person's template nearest this photo: an earlier one may differ in bits."""
    examples = gallery.examples(name)
    return max(examples, key=lambda example: float(example.template @ face.embedding)).digest
