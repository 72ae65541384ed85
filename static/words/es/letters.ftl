# Correos, y las páginas de sus enlaces.

letter-date-pattern = EEEE d 'de' MMMM 'de' y, HH:mm
letter-when = { $date } ({ $zone })
letter-where = { $venue }, { $city }
letter-artists-more =
    { $count ->
        [one] { $artist } y { $count } más
        [many] { $artist } y { $count } más
       *[other] { $artist } y { $count } más
    }

letter-cancelled-subject = Cancelado: { $artist } en { $city }, { $when }
letter-cancelled-heading = { $artist } no toca: el concierto se canceló
letter-cancelled-when = Estaba previsto para el { $when }.
letter-moved-subject = { $artist } en { $city } cambia de fecha: { $when }
letter-moved-heading = { $artist } toca otro día
letter-moved-when = Ahora es el { $when }.
letter-moved-votes = Tus votos se mantienen.
letter-announced-subject =
    { $count ->
        [one] { $artists } anuncia un concierto: { $city }, { $when }
        [many] { $artists } anuncian un concierto: { $city }, { $when }
       *[other] { $artists } anuncian un concierto: { $city }, { $when }
    }
letter-announced-heading =
    { $count ->
        [one] { $artists } anuncia un concierto
        [many] { $artists } anuncian un concierto
       *[other] { $artists } anuncian un concierto
    }
letter-reminder-subject = { $artist } en { $city }: { $when }
letter-reminder-heading = { $artist } toca pronto
letter-result-subject = Lo que los fans quieren oír de { $artist }, { $city }
letter-result-heading = Lo que los fans quieren oír de { $artist }

letter-digest-heading =
    { $period ->
        [weekly] Tu semana en { $service }.
       *[daily] Tu día en { $service }.
    }
letter-digest-subject =
    { $period ->
        [weekly]
            { $count ->
                [one] Tu semana en { $service }: { $count } concierto
                [many] Tu semana en { $service }: { $count } de conciertos
               *[other] Tu semana en { $service }: { $count } conciertos
            }
       *[daily]
            { $count ->
                [one] Tu día en { $service }: { $count } concierto
                [many] Tu día en { $service }: { $count } de conciertos
               *[other] Tu día en { $service }: { $count } conciertos
            }
    }
letter-unsubscribe = Recibes este correo porque lo pediste. Para dejar de recibirlo, abre este enlace:

letter-confirm-subject = Confirma tu dirección
letter-confirm-why = Alguien, seguramente tú, pidió a { $service } que envíe correos a esta dirección.
letter-confirm-link = Para confirmarla, abre este enlace antes de 48 horas:
letter-confirm-stop = Si no fuiste tú, ignora este correo. Para no recibir nunca más correos en esta dirección, abre este enlace:

# ── Páginas de los enlaces

link-confirm-heading = ¿Confirmas tu dirección?
link-confirm-lead = { $service } te enviará los correos que pediste.
link-confirm = Confirmar
link-confirmed-heading = Tu dirección está confirmada
link-confirmed-lead = La página donde empezaste lo notará.
link-expired-heading = Este enlace ya no vale
link-expired-lead = Escribe otra vez tu dirección en { $service } para recibir uno nuevo.
link-unsubscribe-heading = ¿Dejar de recibir correos?
link-unsubscribe-lead = { $service } no enviará más correos a esta dirección.
link-unsubscribe = Dejar de recibirlos
link-unsubscribed-heading = Ya no recibirás correos
link-unsubscribed-lead = { $service } no envía más correos a esta dirección.
