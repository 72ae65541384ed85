# Avisos del navegador: dónde se eligen y qué dicen.

push-heading = Avisos en este dispositivo
push-lead = De los conciertos a los que vas o en los que votaste y de los artistas que sigues. Cada uno llega una vez por concierto, y cada una de tus canciones una vez.
push-voting-closes = La votación cierra en media hora
push-show-begins = Empieza el concierto
push-song-on = Suena una canción que votaste
push-quiet = Horas de silencio
push-quiet-from = desde
push-quiet-to = hasta
push-quiet-incomplete = Las horas de silencio necesitan un principio y un final distintos. Deja los dos vacíos si no quieres ninguna.
push-unsupported = Este navegador no puede mostrar avisos.
push-install = En un iPhone o iPad los avisos solo llegan desde la pantalla de inicio: toca Compartir, luego «Añadir a pantalla de inicio», y abre MySetlist desde ahí.
push-old-ios = Los avisos necesitan iOS 16.4 o posterior. Actualiza este dispositivo y añade MySetlist a la pantalla de inicio.
push-blocked = Los avisos de este sitio están bloqueados. Permítelos en los ajustes de tu navegador y vuelve a cargar la página.
push-not-allowed = Tu navegador no recibió permiso para mostrar avisos, así que no cambió nada.
push-not-subscribed = No se pudo contactar con el servicio de avisos de tu navegador. Inténtalo más tarde.
push-off = Este dispositivo no recibe avisos.
push-on = Este dispositivo recibe los avisos que elegiste.
push-offer = ¿Quieres que este dispositivo te avise media hora antes de que cierre la votación?
push-offer-yes = Avísame cuando cierre la votación
push-offer-later = Ahora no
push-offer-done = Listo. Este dispositivo recibe un aviso media hora antes de que cierre la votación.
push-offer-more = Más avisos y horas de silencio

# Lo que dice un aviso: su título y su frase

notice-voting-closes-title = { $artist }: la votación cierra pronto
notice-voting-closes = { $artist }, { $venue }. Puedes votar hasta las { $time }.
notice-show-begins-title = { $artist }: empieza el concierto
notice-show-begins = { $artist }, { $venue }. Sigue las canciones en vivo.
notice-song-on-title = Suena tu canción: { $song }
notice-song-on = { $artist }, { $venue }. Votaste por ella.
