"""The SQL of every statement. `make sql` writes it from `wutang_auth.statements`: change it there."""

from wutang_auth.database import Statement

USERS_CREDENTIALS = Statement(
    """
    SELECT users.id, users.password_hash, users.scopes, users.disabled_at IS NOT NULL AS is_disabled
    FROM users
    WHERE users.canonical_email = $1::VARCHAR
    """,
    ("canonical",),
)

USERS_CREDENTIALS_OF = Statement(
    """
    SELECT users.id, users.password_hash, users.scopes, users.disabled_at IS NOT NULL AS is_disabled
    FROM users
    WHERE users.id = $1::BIGINT
    """,
    ("uid",),
)

USERS_HASHES = Statement(
    """
    SELECT users.password_hash
    FROM users ORDER BY users.id
    LIMIT 1000::INTEGER
    """,
    (),
)

USERS_UPGRADE_HASH = Statement(
    """
    UPDATE users SET password_hash=$1::VARCHAR WHERE users.id = $2::BIGINT AND users.password_hash = $3::VARCHAR
        RETURNING users.id
    """,
    ("new_hash", "uid", "verified_hash"),
)

USERS_CREATE = Statement(
    """
    INSERT INTO users (email, canonical_email, name, email_verified_at, password_hash, scopes, disabled_at) VALUES
        ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::TIMESTAMP WITH TIME ZONE, $5::VARCHAR, $6::TEXT[], CASE WHEN
        $7::BOOLEAN THEN now() END) RETURNING users.id, users.name, users.email, users.email_verified_at, users.scopes,
        users.disabled_at, users.created_at, users.updated_at
    """,
    ("email", "canonical", "name", "email_verified_at", "password_hash", "scopes", "disabled"),
)

USERS_GET = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at
    FROM users
    WHERE users.id = $1::BIGINT
    """,
    ("uid",),
)

USERS_FIND = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at
    FROM users
    WHERE users.canonical_email = $1::VARCHAR
    """,
    ("canonical",),
)

USERS_REPLACE_PASSWORD = Statement(
    """
    UPDATE users SET password_hash=$1::VARCHAR, updated_at=now() WHERE users.id = $2::BIGINT AND users.password_hash =
        $3::VARCHAR AND users.disabled_at IS NULL RETURNING users.id
    """,
    ("new_hash", "uid", "verified_hash"),
)

USERS_CHANGE_SCOPES = Statement(
    """
    UPDATE users SET scopes=ARRAY(SELECT scope FROM (SELECT unnest(users.scopes) UNION SELECT unnest(CAST($1 AS text[]))
        EXCEPT SELECT unnest(CAST($2 AS text[]))) AS kept (scope) ORDER BY scope COLLATE "C"), updated_at=now() WHERE
        users.id = $3::BIGINT RETURNING users.id, users.name, users.email, users.email_verified_at, users.scopes,
        users.disabled_at, users.created_at, users.updated_at
    """,
    ("given", "taken", "uid"),
)

USERS_LIST = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at
    FROM users
    WHERE users.id > $1::BIGINT ORDER BY users.id
    LIMIT $2
    """,
    ("after", "most"),
)

USERS_LIST_EMAIL = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at
    FROM users
    WHERE users.canonical_email = $1::VARCHAR AND users.id > $2::BIGINT
    """,
    ("canonical", "after"),
)

USERS_EXPORT = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at, users.password_hash
    FROM users
    WHERE users.id > $1::BIGINT ORDER BY users.id
    LIMIT $2
    """,
    ("after", "most"),
)

USERS_UPDATE = Statement(
    """
    UPDATE users SET email=coalesce($1::VARCHAR, users.email), canonical_email=coalesce($2::VARCHAR,
        users.canonical_email), name=coalesce($3::VARCHAR, users.name), email_verified_at=CASE WHEN $4::BOOLEAN THEN
        NULL WHEN ($5::TIMESTAMP WITH TIME ZONE IS NOT NULL) THEN $5::TIMESTAMP WITH TIME ZONE WHEN ($2::VARCHAR !=
        users.canonical_email) THEN NULL ELSE users.email_verified_at END, password_hash=coalesce($6::VARCHAR,
        users.password_hash), scopes=coalesce($7::TEXT[], users.scopes), disabled_at=CASE WHEN ($8::BOOLEAN IS NULL)
        THEN users.disabled_at WHEN $8::BOOLEAN THEN coalesce(users.disabled_at, now()) END, updated_at=now() WHERE
        users.id = $9::BIGINT AND ($10::TEXT[] IS NULL OR ($7::TEXT[] IS NULL OR ($7::TEXT[] <@ array_cat(users.scopes,
        $10::TEXT[]))) AND ($6::VARCHAR IS NULL AND coalesce($2::VARCHAR, users.canonical_email) = users.canonical_email
        OR (users.scopes <@ $10::TEXT[]))) RETURNING users.id, users.name, users.email, users.email_verified_at,
        users.scopes, users.disabled_at, users.created_at, users.updated_at
    """,
    (
        "new_email",
        "canonical",
        "new_name",
        "clear_verified",
        "new_verified",
        "new_hash",
        "new_scopes",
        "disabled",
        "uid",
        "held",
    ),
)

USERS_END_OTHERS = Statement(
    """
    DELETE FROM sessions WHERE sessions.user_id = $1::BIGINT AND sessions.id IS DISTINCT FROM $2::UUID
    """,
    ("uid", "kept"),
)

USERS_DELETE = Statement(
    """
    DELETE FROM users WHERE users.id = $1::BIGINT RETURNING users.id
    """,
    ("uid",),
)

SESSIONS_CREATE = Statement(
    """
    INSERT INTO sessions (user_id, id, expires_at, ip, user_agent) SELECT users.id, $1::UUID AS anon_1, now() +
        $2::INTERVAL AS anon_2, $3::VARCHAR AS anon_3, $4::VARCHAR AS anon_4
    FROM users
    WHERE users.id = $5::BIGINT AND users.password_hash = $6::VARCHAR AND users.disabled_at IS NULL FOR SHARE RETURNING
        sessions.generation
    """,
    ("sid", "ttl", "address", "agent", "uid", "verified_hash"),
)

SESSIONS_READ = Statement(
    """
    SELECT users.id, users.name, users.email, users.email_verified_at, users.scopes, users.disabled_at,
        users.created_at, users.updated_at, sessions.generation, sessions.rotated_at + $1::INTERVAL > now() AS in_grace,
        sessions.expires_at <= now() AS has_expired
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.user_id = $2::BIGINT AND sessions.id = $3::UUID
    """,
    ("grace", "uid", "sid"),
)

SESSIONS_ROTATE = Statement(
    """
    UPDATE sessions SET generation=CASE WHEN (sessions.generation = $1::INTEGER AND sessions.expires_at > now() AND
        users.disabled_at IS NULL) THEN sessions.generation + 1::INTEGER ELSE sessions.generation END, rotated_at=CASE
        WHEN (sessions.generation = $1::INTEGER AND sessions.expires_at > now() AND users.disabled_at IS NULL) THEN
        now() ELSE sessions.rotated_at END FROM users WHERE sessions.user_id = $2::BIGINT AND sessions.id = $3::UUID AND
        users.id = sessions.user_id RETURNING sessions.generation, sessions.rotated_at = now() AS stepped,
        sessions.rotated_at + $4::INTERVAL > now() AS in_grace, users.disabled_at IS NOT NULL AS is_disabled,
        users.scopes, CAST(EXTRACT(epoch FROM sessions.expires_at - now()) AS DOUBLE PRECISION) AS lifetime
    """,
    ("given", "uid", "sid", "grace"),
)

SESSIONS_END = Statement(
    """
    WITH own AS
    (SELECT sessions.id AS id
    FROM sessions
    WHERE sessions.user_id = $1::BIGINT AND sessions.id = $2::UUID)
    DELETE FROM sessions USING own WHERE sessions.user_id = $1::BIGINT AND (sessions.id = own.id OR $3::BOOLEAN)
        RETURNING sessions.id, sessions.expires_at <= now() AS has_expired
    """,
    ("uid", "sid", "everywhere"),
)

SESSIONS_END_ALL = Statement(
    """
    DELETE FROM sessions WHERE sessions.user_id = $1::BIGINT RETURNING sessions.id
    """,
    ("uid",),
)

SESSIONS_LIST = Statement(
    """
    SELECT sessions.id, sessions.created_at, sessions.rotated_at, sessions.expires_at, sessions.ip, sessions.user_agent
    FROM sessions
    WHERE sessions.user_id = $1::BIGINT AND sessions.expires_at > now() ORDER BY sessions.created_at, sessions.id
    """,
    ("uid",),
)

SESSIONS_PRUNE = Statement(
    """
    DELETE FROM sessions WHERE (sessions.user_id, sessions.id) IN (SELECT sessions.user_id, sessions.id
    FROM sessions
    WHERE sessions.expires_at <= now() ORDER BY sessions.expires_at
    LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING sessions.id
    """,
    ("batch",),
)

ATTEMPTS_ADMIT = Statement(
    """
    WITH origin AS
    (SELECT attempts.free_at <= clock_timestamp() AS is_free
    FROM attempts
    WHERE attempts.key = $4::BYTEA FOR UPDATE)
    INSERT INTO attempts (key, attempts, failures, turn, last_at, free_at) SELECT tried.key, 1, 1, $1::BIGINT AS anon_1,
        clock_timestamp() AS clock_timestamp_1, clock_timestamp() + CASE WHEN (1 < tried.free) THEN interval '0' ELSE
        least(power(2.0::FLOAT, least(1 - tried.free, 20::INTEGER)) * interval '1 second', $3::INTERVAL) END AS anon_2
    FROM (SELECT 1 AS place, $4::BYTEA AS key, $5::INTEGER AS free UNION ALL SELECT 2, CASE WHEN (EXISTS (SELECT *
    FROM attempts
    WHERE attempts.key = $2::BYTEA AND attempts.succeeded_at > clock_timestamp() - $6::INTERVAL)) THEN $2::BYTEA ELSE
        $7::BYTEA END AS anon_3, $8::INTEGER AS anon_4) AS tried LEFT OUTER JOIN origin ON true
    WHERE tried.place = 1::INTEGER OR origin.is_free IS NOT false ORDER BY tried.place ON CONFLICT (key) DO UPDATE SET
        attempts = CASE WHEN (attempts.free_at <= clock_timestamp() AND attempts.last_at < clock_timestamp() -
        $9::INTERVAL) THEN 1::INTEGER ELSE attempts.attempts + 1::BIGINT END, failures = CASE WHEN (attempts.free_at <=
        clock_timestamp()) THEN CASE WHEN (attempts.free_at <= clock_timestamp() AND attempts.last_at <
        clock_timestamp() - $9::INTERVAL) THEN 1::INTEGER ELSE attempts.failures + 1::INTEGER END ELSE attempts.failures
        END, turn = CASE WHEN (attempts.free_at <= clock_timestamp()) THEN excluded.turn ELSE attempts.turn END, last_at
        = clock_timestamp(), free_at = CASE WHEN (attempts.free_at > clock_timestamp()) THEN attempts.free_at WHEN
        (attempts.key != $4::BYTEA AND CASE WHEN (attempts.free_at <= clock_timestamp() AND attempts.last_at <
        clock_timestamp() - $9::INTERVAL) THEN 1::INTEGER ELSE attempts.failures + 1::INTEGER END >= $10::INTEGER) THEN
        clock_timestamp() + $9::INTERVAL ELSE clock_timestamp() + CASE WHEN (CASE WHEN (attempts.free_at <=
        clock_timestamp() AND attempts.last_at < clock_timestamp() - $9::INTERVAL) THEN 1::INTEGER ELSE
        attempts.failures + 1::INTEGER END < CASE WHEN (attempts.key = $4::BYTEA) THEN $5::INTEGER ELSE $8::INTEGER END)
        THEN interval '0' ELSE least(power(2.0::FLOAT, least(CASE WHEN (attempts.free_at <= clock_timestamp() AND
        attempts.last_at < clock_timestamp() - $9::INTERVAL) THEN 1::INTEGER ELSE attempts.failures + 1::INTEGER END -
        CASE WHEN (attempts.key = $4::BYTEA) THEN $5::INTEGER ELSE $8::INTEGER END, 20::INTEGER)) * interval '1 second',
        $3::INTERVAL) END END RETURNING attempts.turn = $1::BIGINT AS admitted, CAST(EXTRACT(epoch FROM attempts.free_at
        - clock_timestamp()) AS DOUBLE PRECISION) AS wait, attempts.key = $2::BYTEA AS known_address
    """,
    ("turn", "both", "max_wait", "address", "address_free", "memory", "account", "account_free", "forget", "exhausted"),
)

ATTEMPTS_FORGIVE = Statement(
    """
    INSERT INTO attempts (key, attempts, failures, turn, last_at, free_at, succeeded_at) SELECT forgiven.key, 0, 0, 0,
        clock_timestamp() AS clock_timestamp_1, clock_timestamp() AS clock_timestamp__1, CASE WHEN (forgiven.key =
        $1::BYTEA) THEN clock_timestamp() END AS anon_1
    FROM unnest($2::BYTEA[]) WITH ORDINALITY AS forgiven(key, place) ORDER BY forgiven.place ON CONFLICT (key) DO UPDATE
        SET attempts = CASE WHEN (attempts.key = any($3::BYTEA[])) THEN greatest(attempts.attempts - 1::BIGINT,
        0::INTEGER) ELSE 0::INTEGER END, failures = CASE WHEN (attempts.key = any($3::BYTEA[])) THEN
        greatest(attempts.failures - 1::INTEGER, 0::INTEGER) ELSE 0::INTEGER END, last_at = CASE WHEN (attempts.key =
        $1::BYTEA) THEN clock_timestamp() ELSE attempts.last_at END, free_at = clock_timestamp(), succeeded_at = CASE
        WHEN (attempts.key = $1::BYTEA) THEN clock_timestamp() ELSE attempts.succeeded_at END
    """,
    ("remembered", "keys", "refunded"),
)

ATTEMPTS_PRUNE = Statement(
    """
    DELETE FROM attempts WHERE attempts.key IN (SELECT attempts.key
    FROM attempts
    WHERE attempts.last_at < clock_timestamp() - $1::INTERVAL AND attempts.free_at < clock_timestamp()
    LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING attempts.key
    """,
    ("age", "batch"),
)

SCHEMA_REVISION = Statement(
    """
    SELECT version_num
    FROM alembic_version
    """,
    (),
)
