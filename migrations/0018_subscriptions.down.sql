-- The way back: subscriptions are forgotten; what they were granted stays.

DROP TYPE application_row;
DROP TYPE subscription_row;
DROP TABLE stream_positions;
DROP TABLE applications;
DROP TABLE subscriptions;
