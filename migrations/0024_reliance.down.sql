-- The way back.

DROP DOMAIN standing;

DROP TYPE relied_on;
