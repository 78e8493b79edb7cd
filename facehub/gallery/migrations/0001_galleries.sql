-- Galleries, their people and their templates; the last two in one partition a gallery, which
-- `create_gallery` makes, with a foreign key from templates to people.

CREATE EXTENSION IF NOT EXISTS vector;

-- The types of pgvector, wherever it was installed.
SELECT set_config('search_path', quote_ident(nspname), true)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'vector';

-- One row a gallery. Who changes a gallery locks its row first: changes take turns, the fingerprint
-- cannot change meanwhile, and the counts are right. `last` numbers people and places.
CREATE TABLE facehub.gallery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    fingerprint text NOT NULL,
    size integer NOT NULL CHECK (size BETWEEN 1 AND 16000),
    people bigint NOT NULL DEFAULT 0,
    templates bigint NOT NULL DEFAULT 0,
    last bigint NOT NULL DEFAULT 0
);

CREATE TABLE facehub.person (
    gallery bigint NOT NULL,
    number bigint NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (gallery, number),
    UNIQUE (gallery, name)
) PARTITION BY LIST (gallery);

-- `exact` holds the template's float32 bytes, little-endian, so that no extension is needed to read
-- them; `digest` is their SHA-256. `code` is the same in float16, for the first pass of a search: it
-- lies in the row itself, before all that has no fixed length, and `exact` outside.
CREATE TABLE facehub.template (
    gallery bigint NOT NULL,
    person bigint NOT NULL,
    place bigint NOT NULL,
    code halfvec NOT NULL,
    exact bytea NOT NULL,
    digest bytea NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (gallery, person, place),
    UNIQUE (gallery, person, digest)
) PARTITION BY LIST (gallery);

ALTER TABLE facehub.template
    ALTER digest SET STORAGE PLAIN,
    ALTER source SET STORAGE MAIN,
    ALTER code SET STORAGE PLAIN,
    ALTER exact SET STORAGE EXTERNAL;

-- No samples for the planner: they would outlive the names and templates that are removed.
ALTER TABLE facehub.person ALTER name SET STATISTICS 0;
ALTER TABLE facehub.template
    ALTER digest SET STATISTICS 0, ALTER source SET STATISTICS 0,
    ALTER code SET STATISTICS 0, ALTER exact SET STATISTICS 0;
