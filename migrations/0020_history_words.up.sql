-- Subscriptions keep their events with words instead of numbers.

UPDATE subscriptions AS s
SET history = (
    SELECT COALESCE(jsonb_agg(e.event || jsonb_build_object(
        'kind', (ARRAY[
            'started', 'trial_started', 'renewed', 'plan_changed', 'billing_date_changed',
            'paused', 'resumed', 'cancelled'
        ])[(e.event ->> 'kind')::INTEGER],
        'status', (ARRAY[
            'trialing', 'active', 'paused', 'cancelled'
        ])[(e.event ->> 'status')::INTEGER],
        'span', jsonb_build_array(
            (ARRAY[
                'day', 'week', 'month', 'quarter', 'half_year', 'year'
            ])[(e.event -> 'span' ->> 0)::INTEGER],
            e.event -> 'span' -> 1
        )
    ) ORDER BY e.place), '[]')
    FROM jsonb_array_elements(s.history) WITH ORDINALITY AS e (event, place)
);
