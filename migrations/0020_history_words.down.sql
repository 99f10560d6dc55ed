-- The way back: numbers again.

UPDATE subscriptions AS s
SET history = (
    SELECT COALESCE(jsonb_agg(e.event || jsonb_build_object(
        'kind', array_position(ARRAY[
            'started', 'trial_started', 'renewed', 'plan_changed', 'billing_date_changed',
            'paused', 'resumed', 'cancelled'
        ], e.event ->> 'kind'),
        'status', array_position(ARRAY[
            'trialing', 'active', 'paused', 'cancelled'
        ], e.event ->> 'status'),
        'span', jsonb_build_array(
            array_position(ARRAY[
                'day', 'week', 'month', 'quarter', 'half_year', 'year'
            ], e.event -> 'span' ->> 0),
            e.event -> 'span' -> 1
        )
    ) ORDER BY e.place), '[]')
    FROM jsonb_array_elements(s.history) WITH ORDINALITY AS e (event, place)
);
