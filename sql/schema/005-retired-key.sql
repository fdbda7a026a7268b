-- Keys of the keyring that are out of use.

CREATE TABLE sigsentry.retired_key (
	id bytea CONSTRAINT retired_key_pkey PRIMARY KEY CONSTRAINT retired_key_id_check CHECK (octet_length(id) = 8),
	retired_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sigsentry.retired_key IS 'Keys that nothing may be sealed to any more: a host that has not heard of it would write what nobody can open.  Their private halves are not here.';
COMMENT ON COLUMN sigsentry.retired_key.id IS 'The key''s id, as it stands in every sealed value: the first 8 bytes of SHA-256 of its public half.';
COMMENT ON COLUMN sigsentry.retired_key.retired_at IS 'Since when.';
